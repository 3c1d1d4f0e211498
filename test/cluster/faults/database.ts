import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from '../cluster.js';
import { demand, type Fault } from '../fault.js';
import { demandUnavailable, Scenario, seconds, timed } from '../scenario.js';

/** What happens to PostgreSQL, or within it. */

/** Milliseconds: by itself, and nobody has to do anything. */
const RECOVERY = 30_000;
export const OWN = { ownPostgres: true, leeway: 0.5, nodes: 3 } as const;

/** How long until a refresh on each node is answered again. */
export async function recovery(scenario: Scenario): Promise<number> {
  const took = await Promise.all(
    scenario.doors.map(async (door) => {
      const client = await scenario.client();
      return scenario.until(
        `${door.name} answers again`,
        async () => (await client.refresh(door))?.outcome === 'ok',
        RECOVERY,
      );
    }),
  );
  return Math.max(...took);
}

async function demandNoLeak(cluster: Cluster): Promise<string> {
  const { open, idleInTransaction } = await cluster.connections();
  const { nodes, poolSize } = cluster.settings;
  // Each pool, and a connection to listen on.
  demand(open <= nodes * (poolSize + 1), `${open} connections of ${nodes} nodes with ${poolSize} each`);
  demand(idleInTransaction === 0, `${idleInTransaction} connections idle in a transaction`);
  return `${open} connections, none idle in a transaction`;
}

/** Runs `work` while every connection to this database begins with `setting`. */
async function withSetting(cluster: Cluster, setting: string, value: string, work: () => Promise<unknown>) {
  const [row] = await cluster.database.query<{ name: string }>('select current_database() as name');
  await cluster.database.query(`alter database "${row!.name}" set ${setting} = '${value}'`);
  await cluster.terminateBackends();
  try {
    await work();
  } finally {
    await cluster.database.query(`alter database "${row!.name}" reset ${setting}`);
    await cluster.terminateBackends();
  }
}

const crashed: Fault = {
  id: 'F6',
  how: 'kill -9 of PostgreSQL under load, and a restart (crash recovery); 5 times in the full run',
  guarantee: 'nothing committed is lost, nobody is logged out, back by itself within 30 s',
  async run(stage) {
    const cluster = await stage.cluster(OWN);
    const scenario = new Scenario(cluster, { seed: stage.seed });
    const recovered: number[] = [];
    await scenario.traffic({ clients: 6, thieves: 1, revocations: 1 }, async () => {
      for (let crash = 0; crash < (stage.form === 'full' ? 5 : 1); crash++) {
        await sleep(500);
        await cluster.postgres.stop('immediate');
        await sleep(300);
        await cluster.postgres.start();
        recovered.push((await timed(() => recovery(scenario)))[1]);
      }
    });
    return `${scenario.counts()}; every node answered ${seconds(Math.max(...recovered))} after the start at the latest`;
  },
};

const stopped: Fault = {
  id: 'F7',
  how: 'PostgreSQL is stopped (8 s; 60 s in the full run) and started again',
  guarantee:
    '503 and never a lost cookie; access tokens are accepted until maxStaleness, then 503; back by itself within 30 s',
  async run(stage) {
    const cluster = await stage.cluster(OWN);
    const scenario = new Scenario(cluster, { seed: stage.seed });
    const clients = await scenario.both();
    await cluster.postgres.stop('fast');
    const down = performance.now();
    const end = down + (stage.form === 'full' ? 60_000 : 8_000);
    let lastAccess = 0;
    let refused = 0;
    while (performance.now() < end) {
      for (const client of clients) {
        demandUnavailable((await client.refresh(scenario.door(refused++)))!, 'the refresh');
        const access = await client.access(scenario.door(refused));
        demand(access.outcome !== 'refused', `an access token was ${access.reason}`);
        if (access.outcome === 'ok') lastAccess = performance.now() - down;
      }
      await sleep(50);
    }
    const { maxStaleness } = cluster.settings;
    demand(lastAccess > 0, 'no access token was accepted at all');
    demand(lastAccess < maxStaleness * 1000 + 200, `access for ${seconds(lastAccess)} without news`);
    await cluster.postgres.start();
    const back = await recovery(scenario);
    for (const client of clients) demand((await client.settle()).outcome === 'ok', 'a client was logged out');
    await scenario.verify();
    return `${refused} of ${refused} refreshes 503; access accepted for ${seconds(lastAccess)} (maxStaleness ${maxStaleness} s); back after ${seconds(back)}`;
  },
};

const terminated: Fault = {
  id: 'F9',
  how: 'pg_terminate_backend on a random connection of the nodes every 200 ms under load',
  guarantee: 'nobody is logged out, with keys or within the leeway without; no connection leaks',
  async run(stage) {
    const cluster = await stage.cluster(OWN);
    const scenario = new Scenario(cluster, { seed: stage.seed });
    let ended = 0;
    await scenario.traffic({ clients: 9, thieves: 1, revocations: 1, keyless: true }, async () => {
      for (
        const end = Date.now() + (stage.form === 'full' ? 30_000 : 3_000);
        Date.now() < end;
        await sleep(200)
      ) {
        ended += await cluster.terminateBackends(1);
      }
    });
    demand(ended > 0, 'no connection was ended');
    return `${ended} connections ended; ${scenario.counts()}; ${await demandNoLeak(cluster)}`;
  },
};

const idleInTransaction: Fault = {
  id: 'F10',
  how: 'idle_in_transaction_session_timeout of 100 ms, and every message to PostgreSQL delayed by 150 ms',
  guarantee:
    'what needs a transaction is 503 and not half done; refreshes need none and go on; no connection leaks',
  async run(stage) {
    const cluster = await stage.cluster();
    const scenario = new Scenario(cluster);
    const clients = await scenario.both();
    let failed = '';
    await withSetting(cluster, 'idle_in_transaction_session_timeout', '100ms', async () => {
      await recovery(scenario);
      cluster.at(0).link.tcp.delay(150);
      const answer = await scenario.admin.revokeAll(scenario.door(0), clients[0]!);
      demandUnavailable(answer, 'the revokeAll');
      failed = answer.reason;
      demand(!(await scenario.rowOf(clients[0]!)).revoked, 'the revokeAll was half done');
      for (const client of clients) {
        const refreshed = await client.settle();
        demand(refreshed.outcome === 'ok', `the refresh was ${refreshed.reason}`);
      }
    });
    await cluster.heal();
    await recovery(scenario);
    await scenario.verify();
    return `revokeAll: ${failed}, nothing ended; refreshes succeeded; ${await demandNoLeak(cluster)}`;
  },
};

const locked: Fault = {
  id: 'F11',
  how: 'LOCK TABLE for 2.2 s while 60 clients refresh: every connection of every pool waits',
  guarantee:
    '503 in bounded time; access tokens are checked all the while, without waiting; nobody is logged out',
  async run(stage) {
    const cluster = await stage.cluster();
    const scenario = new Scenario(cluster, { patience: 10_000 });
    const clients = await Promise.all(Array.from({ length: 60 }, () => scenario.client()));
    const { queryTimeout } = cluster.settings;
    let slowest = 0;
    let access = 0;
    const pending: Promise<void>[] = [];
    await scenario.holding('lock table refresh_token in access exclusive mode', [], async () => {
      const end = performance.now() + 2_200;
      const measure = async (client: (typeof clients)[number], index: number): Promise<void> => {
        slowest = Math.max(slowest, (await timed(() => client.refresh(scenario.door(index))))[1]);
      };
      pending.push(...clients.map(measure));
      await scenario.untilWaiting();
      for (; performance.now() < end; await sleep(50)) {
        const [answer, took] = await timed(() => clients[0]!.access(scenario.door(access)));
        demand(answer.outcome === 'ok', `access was ${answer.reason} while the table was locked`);
        demand(took < 1_000, `access took ${seconds(took)} while the table was locked`);
        access++;
      }
    });
    await Promise.all(pending);
    for (const client of clients) demand((await client.settle()).outcome === 'ok', 'a client was logged out');
    // Whoever waits for a place among the statements waits as long, and then asks.
    demand(slowest < 2 * queryTimeout * 1000 + 1_000, `a refresh took ${seconds(slowest)}`);
    await scenario.verify();
    return `${scenario.counts()}; the slowest took ${seconds(slowest)} (queryTimeout ${queryTimeout} s); ${access} of ${access} access tokens accepted meanwhile; ${await demandNoLeak(cluster)}`;
  },
};

/** Its counters are written when a connection ends. */
async function rolledBack({ database }: Cluster): Promise<number> {
  const [row] = await database.query<{ count: number }>(
    'select xact_rollback::int as count from pg_stat_database where datname = current_database()',
  );
  return row!.count;
}

const serializable: Fault = {
  id: 'F12',
  how: 'default_transaction_isolation = serializable, and every subject refreshed and ended at once on all nodes (40001, 40P01)',
  guarantee: 'success, refusal or 503, and never 500; what is over stays over',
  async run(stage) {
    const cluster = await stage.cluster();
    const scenario = new Scenario(cluster, { seed: stage.seed });
    const before = await rolledBack(cluster);
    await withSetting(cluster, 'default_transaction_isolation', 'serializable', async () => {
      await recovery(scenario);
      for (let round = 0; round < (stage.form === 'full' ? 60 : 6); round++) {
        const clients = await Promise.all([1, 2, 3, 4].map(() => scenario.client('body')));
        await Promise.all(
          clients.flatMap((client, index) => [
            client.refresh(scenario.door(0), scenario.door(1), scenario.door(2)),
            scenario.admin.concurrently().revokeAll(scenario.door(index), client),
            scenario.admin.concurrently().revokeAll(scenario.door(index + 1), client),
          ]),
        );
        for (const client of clients) {
          if (!(await scenario.rowOf(client)).revoked) continue;
          // Whatever it holds was handed out before the end.
          const after = client.held ? await client.refresh(scenario.door(round)) : null;
          demand(after?.outcome !== 'ok', 'a session that is over was refreshed');
        }
      }
    });
    await recovery(scenario);
    await scenario.verify();
    const conflicts = (await rolledBack(cluster)) - before;
    demand(conflicts > 0, 'no transaction met another');
    return `${conflicts} transactions rolled back by PostgreSQL; ${scenario.counts()}`;
  },
};

export const databaseFaults: Fault[] = [
  terminated,
  idleInTransaction,
  locked,
  serializable,
  crashed,
  stopped,
];
