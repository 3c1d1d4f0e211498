import { setTimeout as sleep } from 'node:timers/promises';
import { createDatabase } from '../../support/database.js';
import { cutOffSummary, measureCutOff, untilHearing } from '../cut-off.js';
import { demand, type Fault, type Stage } from '../fault.js';
import { startGroup } from './node-group.js';
import { startPgBouncer } from './pgbouncer.js';
import { playAndCheck } from './playing.js';

/** Connections to PostgreSQL for all nodes together. */
const SERVER_CONNECTIONS = 2;
/** Seconds. */
const POLL_INTERVAL = 0.5;
/** Until a node knows that nothing is delivered to it. */
const PROBE = 2_500;

const CAST = { clients: 12, thieves: 2, revocations: 4 };

/** @param direct whether nodes are told the database's own address for LISTEN */
async function throughPgBouncer({ form, seed }: Stage, direct: boolean): Promise<string> {
  const database = await createDatabase();
  const opened: { close(): Promise<void> }[] = [{ close: () => database.drop() }];
  try {
    const pooler = await startPgBouncer(database.url, SERVER_CONNECTIONS);
    opened.unshift(pooler);
    const url = new URL(database.url);
    url.port = String(pooler.port);
    const group = await startGroup({
      databaseUrl: url.href,
      nodes: 3,
      poolSize: 5,
      leeway: 0,
      revocation: { pollInterval: POLL_INTERVAL, ...(direct && { listenUrl: database.url }) },
      database: { preparedStatements: false },
    });
    opened.unshift(group);
    await sleep(PROBE);
    const count = async (condition: string): Promise<number> =>
      (
        await database.query(
          `select from pg_stat_activity where datname = current_database() and ${condition}`,
        )
      ).length;
    const listening = await count(`application_name like '%revocations'`);
    // One that takes itself for listening through the pooler says so to the pooler.
    const deceived = (await pooler.clients()).filter((name) => name.endsWith('revocations')).length;
    demand(deceived === 0, `${deceived} nodes listen where nothing is delivered`);
    demand(listening === (direct ? 3 : 0), `${listening} nodes listen`);
    if (direct) await untilHearing(group.nodes);
    const accessEndsWithin = (POLL_INTERVAL + 1) * 1000;
    const seen = await playAndCheck(
      { database, places: group.nodes, seed, leeway: 0, accessEndsWithin },
      CAST,
      () => sleep(form === 'full' ? 15_000 : 3_000),
    );
    const times = await measureCutOff(group.nodes, form === 'full' ? 40 : 10, 1, 1);
    demand(times.at(-1)! <= accessEndsWithin, `access ended after ${times.at(-1)!.toFixed(0)} ms`);
    const pooled = await count(`pid <> pg_backend_pid() and application_name not like '%revocations'`);
    return `${seen}; ${listening} nodes listen, ${cutOffSummary(times)}; ${pooled} connections of the pooler`;
  } finally {
    for (const one of opened) await one.close();
  }
}

const pooledPolling: Fault = {
  id: 'F13a',
  how: `PgBouncer in transaction mode, ${SERVER_CONNECTIONS} server connections for 3 nodes under load`,
  guarantee: 'every promise; that nothing can be heard is noticed, and polling serves',
  run: (stage) => throughPgBouncer(stage, false),
};

const pooledListening: Fault = {
  id: 'F13b',
  how: 'the same, with revocation.listenUrl leading past it',
  guarantee: 'every promise; revocations are heard at once',
  run: (stage) => throughPgBouncer(stage, true),
};

export const pooledRows: readonly Fault[] = [pooledPolling, pooledListening];
