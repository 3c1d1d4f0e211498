import { parseArgs } from 'node:util';
import type { Effort } from './measure.js';

/** Every bench by its name: `npm run bench -- rotation`. With the defaults, each takes less than two minutes. */
const benches: Record<string, { about: string; run: (effort: Effort) => Promise<void> }> = {
  guard: {
    about: 'AccessGuard against no guard, the signature alone, and what a Nest team would write instead',
    run: async (effort) => (await import('./guard.js')).benchGuard(effort),
  },
  rotation: {
    about: 'TokenService.rotate against the bare statement and the usual recipe',
    run: async (effort) => (await import('./rotation.js')).benchRotation(effort),
  },
  'cut-off': {
    about: 'how fast access ends on every node: with NOTIFY, without, with one lost, with a node cut off',
    run: async () => (await import('./cut-off.js')).benchCutOff(),
  },
  abuse: {
    about: 'good refreshes beside a flood of garbage, and beside a storm on one family',
    run: async (effort) => (await import('./abuse.js')).benchAbuse(effort),
  },
  timing: {
    about: 'whether refusals can be told apart by their time: a quarter of an hour, or --samples 500',
    run: async () => (await import('./timing.js')).benchTiming(Number(values.samples)),
  },
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '7' },
    seconds: { type: 'string', default: '0.6' },
    samples: { type: 'string', default: '5000' },
  },
});
const bench = benches[positionals[0] ?? ''];
if (bench) {
  await bench.run({ rounds: Number(values.rounds), seconds: Number(values.seconds) });
} else {
  console.log('npm run bench -- <name> [--rounds 7] [--seconds 0.6] [--samples 5000]\n');
  for (const [name, { about }] of Object.entries(benches)) console.log(`  ${name.padEnd(12)}${about}`);
  process.exitCode = positionals.length === 0 ? 0 : 1;
}
