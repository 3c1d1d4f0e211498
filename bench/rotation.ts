import { cpus } from 'node:os';
import { openBareStatement } from './bare-statement.js';
import { openServer } from './database.js';
import { loadLibrary, type Library } from './library.js';
import { interleave, ratio, sample, spread, type Contender, type Effort, type Sample } from './measure.js';
import { CHAINS, POOL_SIZE } from './rotation-scale.js';
import { formatTable } from './table.js';
import { openTokenService } from './token-service.js';
import { openUsualRecipe } from './usual-recipe.js';

const IN_FLIGHT = [1, 8, 32];
const TARGET = 0.8;
const WARM_UP_SECONDS = 0.5;

/** Each with a database of its own. */
const SERIES: { name: string; about: string; settings: Record<string, string> }[] = [
  { name: 'durable', about: 'as the server commits: every rotation waits for the disk', settings: {} },
  {
    name: 'async',
    about: 'synchronous_commit off: the disk hides no difference',
    settings: { synchronous_commit: 'off' },
  },
];

/** Prints how many rotations a second `TokenService` makes, beside the bare statement and the usual recipe. */
export async function benchRotation(effort: Effort): Promise<void> {
  const library = await loadLibrary();
  const server = await openServer();
  try {
    const model = cpus()[0]?.model.trim() ?? 'unknown CPU';
    console.log(`Node ${process.version}, ${cpus().length} cores (${model}), ${server.about}`);
    console.log(
      `${CHAINS} families, pools of ${POOL_SIZE}, medians of ${effort.rounds} interleaved rounds of ${effort.seconds} s; ` +
        `in brackets the slowest and the fastest round; bcrypt gets one round`,
    );
    for (const { name, about, settings } of SERIES) {
      console.log(`\n${about}`);
      await measureSeries(library, await server.createDatabase(name, settings), effort);
    }
  } finally {
    await server.close();
  }
}

async function measureSeries(library: Library, url: string, effort: Effort): Promise<void> {
  // First, as it makes the table the bare statement works on.
  const rotation = await openTokenService(library, url);
  const bare = await openBareStatement(url);
  const recipes = await openUsualRecipe(url);
  const contenders = [rotation, bare, ...recipes];
  try {
    for (const contender of contenders) {
      if (!contender.isSlow) await sample(contender, IN_FLIGHT.at(-1)!, WARM_UP_SECONDS);
    }
    const reached: string[] = [];
    for (const inFlight of IN_FLIGHT) {
      const samples = await interleave(contenders, inFlight, effort);
      console.log(`\n${describe(inFlight, samples, bare, recipes[0]!)}`);
      const { median } = ratio(samples.get(rotation)!, samples.get(bare)!);
      reached.push(`${median.toFixed(2)} at ${inFlight}${median < TARGET ? ' (missed)' : ''}`);
    }
    console.log(`\nTarget: at least ${TARGET} of the bare statement's rate. Reached: ${reached.join(', ')}`);
  } finally {
    for (const contender of contenders) await contender.close();
  }
}

function describe(
  inFlight: number,
  samples: Map<Contender, Sample[]>,
  bare: Contender,
  recipe: Contender,
): string {
  const header = [`${inFlight} in flight`, 'per second', '', '× bare', '', '× recipe', 'CPU µs each'];
  const lines = [...samples].map(([{ name }, own]) => {
    const rate = spread(own.map((one) => one.rate));
    const toBare = ratio(own, samples.get(bare)!);
    const toRecipe = ratio(own, samples.get(recipe)!).median;
    return [
      name,
      rate.median.toFixed(0),
      `(${rate.min.toFixed(0)}..${rate.max.toFixed(0)})`,
      short(toBare.median),
      `(${short(toBare.min)}..${short(toBare.max)})`,
      toRecipe.toFixed(toRecipe < 10 ? 2 : 0),
      spread(own.map((one) => one.cpu)).median.toFixed(0),
    ];
  });
  return formatTable([header, ...lines]);
}

function short(value: number): string {
  return value.toFixed(value < 0.01 ? 4 : value < 0.1 ? 3 : 2);
}
