import { randomBytes } from 'node:crypto';
import { cpus } from 'node:os';
import { garbage, storm } from './abuse/garbage.js';
import { refreshAtRate, type Latency } from './abuse/good-refreshes.js';
import { BenchNode, Sender } from './abuse/programs.js';
import { refreshOnce } from './abuse/refresh-request.js';
import type { OnslaughtResult } from './abuse/sender.program.js';
import { openServer } from './database.js';
import { spread, type Effort, type Spread } from './measure.js';
import { formatTable } from './table.js';

/** Good refreshes a second, on each of two nodes. */
const GOOD_RATE = 100;
const CONNECTIONS = { garbage: 64, storm: 200 };
/** Of what the machine saturates at: beyond it every request waits for the processor, a good one as well. */
const OFFERED = 0.25;
const GARBAGE = 50_000;
/** Of a window; the tokens of a storm are within the leeway for longer. */
const SECONDS = 4;
const LEAD = 0.3;
const TARGET = { garbage: 2.5, storm: 2 };

type Kind = keyof typeof CONNECTIONS;
type Nodes = readonly [attacked: BenchNode, other: BenchNode];

interface Window {
  readonly attacked: Latency;
  readonly other: Latency;
}

/** Prints how long good refreshes take: alone, beside a flood of garbage, and beside a storm on one family. */
export async function benchAbuse({ rounds }: Effort): Promise<void> {
  const server = await openServer();
  const environment = {
    url: await server.createDatabase('abuse'),
    secret: randomBytes(32).toString('base64'),
  };
  const nodes = [await BenchNode.start(environment), await BenchNode.start(environment)] as const;
  const sender = new Sender();
  try {
    console.log(`Node ${process.version}, ${cpus().length} cores, ${server.about}`);
    const rates = {
      garbage: await saturate('garbage', nodes[0], sender),
      storm: await saturate('storm', nodes[0], sender),
    };
    const windows = await interleaveWindows(rounds, rates, nodes, sender);
    console.log(describe(windows, rounds));
  } finally {
    sender.stop();
    for (const node of nodes) await node.stop();
    await server.close();
  }
}

/** Sends as fast as it is answered, and tells what that cost. @returns how many a second will be offered */
async function saturate(kind: Kind, node: BenchNode, sender: Sender): Promise<number> {
  const requests = await requestsOf(kind, node);
  const enough = kind === 'garbage' ? GARBAGE : 1;
  const before = await node.statements();
  let [sent, elapsed] = [0, 0];
  while (sent < enough) {
    const onslaught = {
      port: node.port,
      requests,
      rate: 0,
      connections: CONNECTIONS[kind],
      seconds: SECONDS,
    };
    const result = await sender.send(onslaught);
    sent += result.sent;
    elapsed += result.elapsed;
  }
  const statements = (await node.statements()) - before;
  const rate = Math.round((OFFERED * sent) / elapsed);
  console.log(
    `${kind}: ${sent} refreshes cost ${statements} SQL statements; the machine saturates at ` +
      `${Math.round(sent / elapsed)} a second, ${rate} are offered`,
  );
  return rate;
}

async function requestsOf(kind: Kind, node: BenchNode): Promise<string[]> {
  if (kind === 'garbage') return garbage();
  const [first] = await node.issue(1);
  return storm([first!, await refreshOnce(node.port, first!)]);
}

async function interleaveWindows(
  rounds: number,
  rates: Readonly<Record<Kind, number>>,
  nodes: Nodes,
  sender: Sender,
): Promise<Map<Kind | 'alone', Window[]>> {
  const kinds = ['alone', 'garbage', 'storm'] as const;
  const windows = new Map<Kind | 'alone', Window[]>(kinds.map((kind) => [kind, []]));
  for (let round = 0; round < rounds; round++) {
    // Every other round backwards, so that nobody always comes after the same neighbour.
    for (const kind of round % 2 === 0 ? kinds : kinds.toReversed()) {
      const attack = kind === 'alone' ? null : { kind, rate: rates[kind] };
      windows.get(kind)!.push(await measureWindow(attack, nodes, sender));
    }
  }
  return windows;
}

async function measureWindow(
  attack: { readonly kind: Kind; readonly rate: number } | null,
  [attacked, other]: Nodes,
  sender: Sender,
): Promise<Window> {
  const tokens = await attacked.issue(2 * GOOD_RATE * SECONDS);
  let onslaught: Promise<OnslaughtResult> | undefined;
  if (attack) {
    const requests = await requestsOf(attack.kind, attacked);
    const settings = { port: attacked.port, rate: attack.rate, connections: CONNECTIONS[attack.kind] };
    onslaught = sender.send({ ...settings, requests, seconds: SECONDS + 2 * LEAD });
  }
  await new Promise((resolve) => setTimeout(resolve, LEAD * 1000));
  const [here, there] = await Promise.all([
    refreshAtRate(attacked.port, tokens.slice(0, tokens.length / 2), GOOD_RATE),
    refreshAtRate(other.port, tokens.slice(tokens.length / 2), GOOD_RATE),
  ]);
  await onslaught;
  return { attacked: here, other: there };
}

function describe(windows: ReadonlyMap<Kind | 'alone', Window[]>, rounds: number): string {
  const alone = windows.get('alone')!;
  const header = ['', 'p50 ms', '× alone', 'p99 ms', '', '× alone', '', 'other node p50', 'p99', '× alone'];
  const lines = [...windows].map(([kind, own]) => {
    const p99 = spread(own.map(({ attacked }) => attacked.p99));
    const ratio = ratioOf(own, alone, 'attacked', 'p99');
    return [
      kind,
      short(spread(own.map(({ attacked }) => attacked.p50)).median),
      short(ratioOf(own, alone, 'attacked', 'p50').median),
      short(p99.median),
      range(p99),
      short(ratio.median),
      range(ratio),
      short(spread(own.map(({ other }) => other.p50)).median),
      short(spread(own.map(({ other }) => other.p99)).median),
      short(ratioOf(own, alone, 'other', 'p99').median),
    ];
  });
  const verdicts = (['garbage', 'storm'] as const).map((kind) => {
    const { median } = ratioOf(windows.get(kind)!, alone, 'attacked', 'p99');
    const verdict = median <= TARGET[kind] ? 'reached' : 'MISSED';
    return `p99 beside ${kind}: ${short(median)} × alone; target at most ${TARGET[kind]}: ${verdict}`;
  });
  const noise = spread(alone.map(({ attacked }) => attacked.p99));
  return [
    `\n${GOOD_RATE} good refreshes a second on each of two nodes, one of them attacked; medians of ${rounds} interleaved ` +
      `rounds of ${SECONDS} s, in brackets the least and the most of a round`,
    formatTable([header, ...lines]),
    '',
    ...verdicts,
    `Noise: p99 alone differs between rounds by a factor of ${short(noise.max / noise.min)}`,
  ].join('\n');
}

/** Round by round: neighbours in a round were slowed alike by whatever else the machine did. */
function ratioOf(
  own: readonly Window[],
  other: readonly Window[],
  node: keyof Window,
  share: keyof Latency,
): Spread {
  return spread(own.map((window, round) => window[node][share] / other[round]![node][share]));
}

function range({ min, max }: Spread): string {
  return `(${short(min)}..${short(max)})`;
}

function short(value: number): string {
  return value.toFixed(value < 10 ? 2 : 0);
}
