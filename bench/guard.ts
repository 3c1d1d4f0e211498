import { cpus } from 'node:os';
import { memoryPerToken, propertiesWritten, timeActivation } from './activation.js';
import { docsRecipe, joseGuard, noGuard, ours, rawVerify, type GuardUnderTest } from './guards.js';
import { loadLibrary, type Library } from './library.js';
import { spread, type Effort, type Spread } from './measure.js';
import { formatTable } from './table.js';
import { benchWholeRequests } from './whole-request.js';

const RAW = 'raw crypto.verify';
const REMEMBERED = 10_000;

/** Prints what one activation of a guard costs, beside the signature alone and what a Nest team would write instead. */
export async function benchGuard(effort: Effort): Promise<void> {
  const library = await loadLibrary();
  const [repeated, fresh] = [
    await ours(library, 'AccessGuard, repeated token', 10_000),
    await ours(library, 'AccessGuard, fresh token', 1),
  ];
  const recipe = await docsRecipe('a secret');
  const none = noGuard();
  const guards = [
    none,
    repeated,
    fresh,
    recipe,
    await docsRecipe('a PEM'),
    await docsRecipe('a KeyObject'),
    joseGuard(),
  ];
  try {
    console.log(
      `Node ${process.version}, ${cpus().length} cores (${cpus()[0]?.model.trim() ?? 'unknown CPU'})`,
    );
    console.log(
      `One guard activation, ES256 but for the secret (HS256); medians of ${effort.rounds} interleaved rounds of ` +
        `${effort.seconds} s, in brackets the fastest and the slowest round\n`,
    );
    const times = await interleaveActivations(guards, effort);
    const of = (name: string) => times.get(name)!;
    console.log(describe(times, of(none.name), of(RAW), of(recipe.name)));
    console.log(verdicts(of(none.name), of(repeated.name), of(fresh.name), of(RAW), of(recipe.name)));
    for (const guard of [repeated, fresh, recipe]) {
      console.log(`${guard.name} writes onto the request: ${(await propertiesWritten(guard)).join(', ')}`);
    }
    console.log(`Memory for each token that is remembered: ${await measureMemory(library)} bytes of heap\n`);
    await benchWholeRequests(guards, effort);
  } finally {
    for (const guard of guards) await guard.close();
  }
}

/** Microseconds by contender, a figure for each round. */
async function interleaveActivations(
  guards: readonly GuardUnderTest[],
  { rounds, seconds }: Effort,
): Promise<Map<string, number[]>> {
  const raw = rawVerify();
  const contenders = [
    ...guards.map((guard) => ({ name: guard.name, time: () => timeActivation(guard, seconds) })),
    { name: RAW, time: async () => timeRaw(raw, seconds) },
  ];
  for (const { time } of contenders) await time();
  const times = new Map(contenders.map(({ name }) => [name, [] as number[]]));
  for (let round = 0; round < rounds; round++) {
    // Every other round backwards, so that nobody always comes after the same neighbour.
    const order = round % 2 === 0 ? contenders : contenders.toReversed();
    for (const { name, time } of order) times.get(name)!.push(await time());
  }
  return times;
}

function timeRaw({ count, verifyAll }: ReturnType<typeof rawVerify>, seconds: number): number {
  let passes = 0;
  const begin = performance.now();
  do {
    verifyAll();
    passes++;
  } while (performance.now() - begin < seconds * 1000);
  return ((performance.now() - begin) * 1000) / (passes * count);
}

/** Round by round: neighbours in a round were slowed alike by whatever else the machine did. */
function compare(
  own: readonly number[],
  other: readonly number[],
  how: (a: number, b: number) => number,
): Spread {
  return spread(own.map((value, round) => how(value, other[round]!)));
}

function describe(
  times: ReadonlyMap<string, number[]>,
  none: readonly number[],
  raw: readonly number[],
  recipe: readonly number[],
): string {
  const header = ['', 'µs', '', 'over no guard', '× raw', '× cheaper than the recipe'];
  const lines = [...times].map(([name, own]) => {
    const { median, min, max } = spread(own);
    return [
      name,
      digits(median),
      `(${digits(min)}..${digits(max)})`,
      digits(compare(own, none, (a, b) => a - b).median),
      digits(compare(own, raw, (a, b) => a / b).median),
      digits(compare(own, recipe, (a, b) => b / a).median),
    ];
  });
  return formatTable([header, ...lines]);
}

function verdicts(
  none: readonly number[],
  repeated: readonly number[],
  fresh: readonly number[],
  raw: readonly number[],
  recipe: readonly number[],
): string {
  const over = compare(repeated, none, (a, b) => a - b);
  const toRaw = compare(fresh, raw, (a, b) => a / b);
  const cheaper = compare(recipe, repeated, (a, b) => a / b);
  return [
    '',
    line('A repeated token over no guard, µs', over, 'at most 0.5', over.median <= 0.5),
    line('A fresh token against raw crypto.verify', toRaw, 'at most 1.15', toRaw.median <= 1.15),
    line('A repeated token, times cheaper than the recipe', cheaper, 'at least 300', cheaper.median >= 300),
    '',
  ].join('\n');
}

function line(what: string, { median, min, max }: Spread, target: string, isReached: boolean): string {
  const verdict = isReached ? 'reached' : 'MISSED';
  return `${what}: ${digits(median)} (${digits(min)}..${digits(max)}); target ${target}: ${verdict}`;
}

async function measureMemory(library: Library): Promise<string> {
  const tested = await ours(library, 'memory', REMEMBERED, REMEMBERED);
  try {
    return (await memoryPerToken(tested.guard, tested.tokens)).toFixed(0);
  } finally {
    await tested.close();
  }
}

function digits(value: number): string {
  return value.toFixed(Math.abs(value) < 10 ? 2 : Math.abs(value) < 100 ? 1 : 0);
}
