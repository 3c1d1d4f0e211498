import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster, ClusterNode } from '../cluster.js';
import { demand, type Fault, type Stage } from '../fault.js';
import { ask, bearer, type Reply } from './requests.js';

/** Seconds. */
const QUERY_TIMEOUT = 2;
/** For its place among those under way and for its statement together; the rest is the way there and back. */
const LONGEST = QUERY_TIMEOUT + 1;
const SLOW = { full: 10_000, short: 4_000 };

interface Timed extends Reply {
  readonly took: number;
}

async function timed(asking: Promise<Reply>): Promise<Timed> {
  const from = performance.now();
  return { ...(await asking), took: performance.now() - from };
}

/** Holds every write of the table up, as a disk does that has no more to give. Reading goes on. */
async function slowDown(cluster: Cluster, seconds: number): Promise<void> {
  await cluster.database.query(`
    create function slow_disk() returns trigger language plpgsql as $$
    begin
      perform pg_sleep(${seconds});
      return null;
    end $$`);
  await cluster.database.query(
    'create trigger slow_disk after update on refresh_token for each statement execute function slow_disk()',
  );
}

async function speedUp(cluster: Cluster): Promise<void> {
  await cluster.database.query('drop function if exists slow_disk() cascade');
}

class SlowClient {
  readonly answers: Timed[] = [];
  readonly checks: Timed[] = [];
  #key = randomUUID();

  constructor(
    private token: string,
    private accessToken: string,
  ) {}

  static async login(node: ClusterNode, subject: string): Promise<SlowClient> {
    const { body } = await ask(`${node.url}/test/login`, { method: 'POST', json: { subject } });
    return new SlowClient(String(body['refresh_token']), String(body['access_token']));
  }

  async refresh(node: ClusterNode): Promise<Timed> {
    const headers = { 'idempotency-key': this.#key };
    const answer = await timed(
      ask(`${node.url}/auth/refresh`, { method: 'POST', json: { refresh_token: this.token }, headers }),
    );
    this.answers.push(answer);
    if (answer.status === 200) {
      this.token = String(answer.body['refresh_token']);
      this.#key = randomUUID();
    }
    return answer;
  }

  async check(node: ClusterNode): Promise<void> {
    this.checks.push(await timed(ask(`${node.url}/me`, bearer(this.accessToken))));
  }
}

const slowest = (answers: readonly Timed[]): number => Math.max(...answers.map(({ took }) => took));

const slowDisk: Fault = {
  id: 'F26',
  how: 'every write of the table takes 5 s (a trigger), with more refreshes under way than connections',
  guarantee: `503 within queryTimeout (${QUERY_TIMEOUT} s) + 1 s; access tokens go on being accepted; nothing is lost or leaked`,
  async run(stage: Stage) {
    const cluster = await stage.cluster({ queryTimeout: QUERY_TIMEOUT, poolSize: 5 });
    const clients = await Promise.all(
      Array.from({ length: 30 }, (_, index) => SlowClient.login(cluster.at(index), `client ${index}`)),
    );
    await slowDown(cluster, 5);
    try {
      const end = new AbortController();
      const lives = clients.flatMap((client, index) => [
        (async () => {
          for (let turn = index; !end.signal.aborted; turn++) await client.refresh(cluster.at(turn));
        })(),
        (async () => {
          for (let turn = index; !end.signal.aborted; turn++, await sleep(100))
            await client.check(cluster.at(turn));
        })(),
      ]);
      await sleep(SLOW[stage.form]);
      end.abort();
      await Promise.all(lives);
    } finally {
      await speedUp(cluster);
    }
    const healedAt = performance.now();
    for (const [index, client] of clients.entries()) {
      while ((await client.refresh(cluster.at(index))).status !== 200)
        demand(performance.now() - healedAt < 30_000, 'a client is still not answered after 30 s');
    }
    const recovery = performance.now() - healedAt;
    const answers = clients.flatMap((client) => client.answers);
    const checks = clients.flatMap((client) => client.checks);
    const others = [...new Set(answers.map(({ status }) => status))].filter(
      (status) => status !== 200 && status !== 503,
    );
    const unavailable = answers.filter(({ status }) => status === 503);
    demand(others.length === 0, `refreshes were answered ${others.join(', ')}`);
    demand(unavailable.length > 0, 'nothing was slow');
    demand(slowest(answers) <= LONGEST * 1000, `an answer took ${slowest(answers).toFixed(0)} ms`);
    demand(
      checks.every(({ status }) => status === 200),
      'an access token was refused',
    );
    const { open, idleInTransaction } = await cluster.connections();
    demand(idleInTransaction === 0, `${idleInTransaction} connections are idle in a transaction`);
    demand(open <= cluster.nodes.length * 6, `${open} connections are open`);
    return (
      `${unavailable.length} × 503, the slowest after ${slowest(unavailable).toFixed(0)} ms; ${checks.length} access tokens ` +
      `accepted meanwhile, the slowest in ${slowest(checks).toFixed(0)} ms; all ${clients.length} clients refreshed ${recovery.toFixed(0)} ms after`
    );
  },
};

export const slowDiskRows: readonly Fault[] = [slowDisk];
