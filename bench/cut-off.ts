import { spawnSync } from 'node:child_process';
import { cutOffRows } from '../test/cluster/cut-off.js';
import { observe } from '../test/cluster/fault.js';
import { ClusterStage } from '../test/cluster/stage.js';
import { startServer, stopServer } from '../test/support/server.js';

/** How fast access ends on every node: three processes of the library as built, one PostgreSQL. */
export async function benchCutOff(): Promise<void> {
  const { status } = spawnSync(process.execPath, ['tools/build-if-stale.js'], { stdio: 'inherit' });
  if (status !== 0) throw new Error('The build failed');
  await startServer();
  const stage = new ClusterStage('full', 0);
  try {
    console.log('| id | how | guarantee | observed |\n| --- | --- | --- | --- |');
    for (const row of cutOffRows) {
      const { result, observed } = await observe(row, stage);
      console.log(`| ${row.id} | ${row.how} | ${row.guarantee} | ${observed} |`);
      if (result !== 'held') process.exitCode = 1;
    }
  } finally {
    await stage.close();
    await stopServer();
  }
}
