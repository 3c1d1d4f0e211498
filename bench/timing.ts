import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { openServer } from './database.js';
import { loadLibrary } from './library.js';
import { spread } from './measure.js';
import { formatTable } from './table.js';
import { refusedLogins, refusedTokens, type Comparand } from './timing/kinds.js';
import { mannWhitney } from './timing/mann-whitney.js';
import { Stopwatch, type Kind } from './timing/stopwatch.js';

/** Fixed before anything was measured: chance alone passes it once in 16,000 comparisons. */
const THRESHOLD = 4;

/** Whether answers that say the same can be told apart by when they come. */
export async function benchTiming(samples: number): Promise<void> {
  // Builds what is stale, the demo as well.
  await loadLibrary();
  const server = await openServer();
  const url = await server.createDatabase('timing');
  const child = fork(fileURLToPath(new URL('timing/node.program.js', import.meta.url)), {
    env: {
      ...process.env,
      DATABASE_URL: url,
      REVOCATION_POLL_INTERVAL: '30s',
      REVOCATION_MAX_STALENESS: '1h',
    },
    execArgv: [],
  });
  const gone = once(child, 'exit');
  const [port] = (await Promise.race([once(child, 'message'), gone.then(ended)])) as [number];
  const database = new Client({ connectionString: url });
  await database.connect();
  const stopwatch = new Stopwatch(port);
  console.log(
    `${server.about}. The demo on Express, one connection, ${samples} requests of each kind in random order.`,
  );
  console.log(`Told apart: |z| of Mann and Whitney's test above ${THRESHOLD}.`);
  for (const comparand of [await refusedTokens(port, database), refusedLogins()])
    await compare(stopwatch, comparand, samples);
  stopwatch.stop();
  await database.end();
  child.disconnect();
  await gone;
  await server.close();
}

function ended(): never {
  throw new Error('The demo ended before it listened');
}

async function compare(
  stopwatch: Stopwatch,
  { title, kinds, leak }: Comparand,
  samples: number,
): Promise<void> {
  const times = await stopwatch.time([...kinds, leaking(kinds[0]!, leak)], samples);
  const names = [...kinds.map(({ name }) => name), `${kinds[0]!.name} + ${leak} µs`];
  const lines = names.map((name, at) => {
    const [median, first] = [spread(times[at]!).median, at === 0 ? null : mannWhitney(times[at]!, times[0]!)];
    return [
      name,
      `${median.toFixed(1)} µs`,
      first ? first.auc.toFixed(4) : '',
      first ? first.z.toFixed(1) : '',
      first ? (Math.abs(first.z) > THRESHOLD ? 'told apart' : 'alike') : '',
    ];
  });
  console.log(`\n${title}\n${formatTable([['', 'median', 'AUC', 'z', `against "${names[0]}"`], ...lines])}`);
  console.log(`  ${worstPair(names.slice(0, -1), times)}`);
}

/** The same as `kind`, answered late on purpose. */
function leaking(kind: Kind, leak: number): Kind {
  return { name: kind.name, ask: () => ({ ...kind.ask(), leak }) };
}

function worstPair(names: readonly string[], times: readonly number[][]): string {
  const pairs = names.flatMap((left, i) =>
    names.slice(i + 1).map((right, j) => ({ left, right, ...mannWhitney(times[i]!, times[i + 1 + j]!) })),
  );
  const { left, right, auc, z } = pairs.toSorted((one, other) => Math.abs(other.z) - Math.abs(one.z))[0]!;
  return `Of all pairs "${left}" and "${right}" differ most: AUC ${auc.toFixed(4)}, z ${z.toFixed(1)}`;
}
