import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { format } from 'prettier';
import { startServer, stopServer } from '../support/server.js';
import { observe, type Observation } from './fault.js';
import { FAULTS } from './faults/index.js';
import { infrastructureRows } from './infrastructure/rows.js';
import { ClusterStage } from './stage.js';
import { markdown } from './table.js';

/** `npm run test:cluster`: every fault in its full form, and the closing table. */
const { values } = parseArgs({
  options: {
    /** of the faults, separated by commas; all of them by default */
    only: { type: 'string' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    short: { type: 'boolean', default: false },
    /** also to docs/faults.md */
    write: { type: 'boolean', default: false },
    /** fails when something was not run */
    'require-all': { type: 'boolean', default: false },
  },
});

const only = values.only?.split(',');
const stage = new ClusterStage(values.short ? 'short' : 'full', Number(values.seed));
const observations: Observation[] = [];
console.log(`seed ${values.seed}`);
await startServer();
try {
  for (const fault of [...FAULTS, ...infrastructureRows].filter(({ id }) => !only || only.includes(id))) {
    const observation = await observe(fault, stage);
    observations.push(observation);
    console.log(
      `${fault.id.padEnd(8)}${(observation.took / 1000).toFixed(1).padStart(6)} s  ${observation.observed}`,
    );
  }
} finally {
  await stage.close();
  await stopServer();
}
const table = markdown(observations);
console.log(`\n${table}`);
if (values.write)
  await writeFile('docs/faults.md', await format(table, { parser: 'markdown', printWidth: 140 }));
const failed = observations.filter(
  ({ result }) => result === 'broken' || (result === 'not run' && values['require-all']),
);
process.exitCode = failed.length > 0 ? 1 : 0;
