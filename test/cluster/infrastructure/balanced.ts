import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { demand, type Fault, type Stage } from '../fault.js';
import { Proxy } from '../proxy.js';
import { startHaproxy, type Balancer } from './haproxy.js';
import { startGroup, type GroupNode } from './node-group.js';
import { playAndCheck } from './playing.js';
import { ask } from './requests.js';

interface Balanced {
  readonly database: TestDatabase;
  readonly nodes: readonly GroupNode[];
  /** between the balancer and each node */
  readonly fronts: readonly Proxy[];
  readonly balancer: Balancer;
  close(): Promise<void>;
}

/** Three nodes behind HAProxy. */
async function startBalanced(leeway: number, settings: readonly string[]): Promise<Balanced> {
  const database = await createDatabase();
  const opened: { close(): Promise<void> }[] = [{ close: () => database.drop() }];
  const close = async (): Promise<void> => {
    for (const one of opened) await one.close();
  };
  try {
    const group = await startGroup({
      databaseUrl: database.url,
      nodes: 3,
      poolSize: 5,
      leeway,
      revocation: { pollInterval: 0.5 },
    });
    opened.unshift(group);
    const fronts: Proxy[] = [];
    for (const node of group.nodes) {
      const front = await Proxy.listen(() => node.port);
      opened.unshift(front);
      fronts.push(front);
    }
    const ports = fronts.map(({ port }) => port);
    const balancer = await startHaproxy(ports, settings);
    opened.unshift(balancer);
    return { database, nodes: group.nodes, fronts, balancer, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Milliseconds. */
const CUT_EVERY = 40;
const LEEWAY = 300;

const deliveredTwice: Fault = {
  id: 'F34',
  how: `HAProxy with retry-on all-retryable-errors; every ${CUT_EVERY} ms an answer is lost, and the POST sent to another node`,
  guarantee: 'every promise, with thieves and revocations; clients see neither the loss nor the repeat',
  async run({ form, seed }: Stage) {
    const retrying = ['retries 3', 'option redispatch 1', 'retry-on all-retryable-errors'];
    const balanced = await startBalanced(LEEWAY / 1000, retrying);
    const { database, fronts, balancer } = balanced;
    try {
      const seen = await playAndCheck(
        {
          database,
          places: [{ name: 'haproxy', url: balancer.url, sendsAgain: true }],
          seed,
          leeway: LEEWAY,
          accessEndsWithin: 1500,
        },
        { clients: 12, thieves: 2, revocations: 3, keyless: true },
        async () => {
          for (const end = performance.now() + (form === 'full' ? 15_000 : 3_000); performance.now() < end;) {
            for (const front of fronts) {
              front.cutAfter(0, 'down');
              await sleep(CUT_EVERY);
            }
          }
          for (const front of fronts) front.heal();
        },
      );
      const again = await balancer.sentAgain();
      demand(again >= 10, `only ${again} requests were sent again`);
      return `${again} requests delivered twice; ${seen}`;
    } finally {
      await balanced.close();
    }
  },
};

/** How a restart under load is measured: so many clients, each this often. */
const CLIENTS = 50;
const EVERY = 250;

interface Tally {
  refreshes: number;
  repeated: number;
  readonly failures: string[];
}

/** Refreshes at its pace, and repeats once what was not answered. */
async function steadyClient(url: string, index: number, tally: Tally, signal: AbortSignal): Promise<void> {
  const login = await ask(`${url}/test/login`, { method: 'POST', json: { subject: `client ${index}` } });
  let token = String(login.body['refresh_token']);
  await sleep((index * EVERY) / CLIENTS);
  while (!signal.aborted) {
    const next = performance.now() + EVERY;
    const attempt = {
      method: 'POST',
      json: { refresh_token: token },
      headers: { 'idempotency-key': randomUUID() },
    };
    let answer = await ask(`${url}/auth/refresh`, attempt);
    tally.refreshes++;
    if (answer.status !== 200) {
      tally.repeated++;
      answer = await ask(`${url}/auth/refresh`, attempt);
    }
    if (answer.status !== 200) tally.failures.push(`${answer.status} ${String(answer.body['error'])}`);
    else token = String(answer.body['refresh_token']);
    await sleep(Math.max(0, next - performance.now()));
  }
}

const rollingRestart: Fault = {
  id: 'F30h',
  how: 'rolling restart of 3 nodes behind HAProxy, each drained first, under about 200 refreshes a second',
  guarantee: 'no refresh fails at a client that repeats once',
  async run({ form }: Stage) {
    const balanced = await startBalanced(0, ['retries 3', 'option redispatch 1']);
    const { nodes, balancer } = balanced;
    try {
      const tally: Tally = { refreshes: 0, repeated: 0, failures: [] };
      const end = new AbortController();
      const clients = Array.from({ length: CLIENTS }, (_, index) =>
        steadyClient(balancer.url, index, tally, end.signal),
      );
      const from = performance.now();
      await sleep(1_000);
      for (let round = 0; round < (form === 'full' ? 3 : 1); round++) {
        for (const [index, node] of nodes.entries()) {
          await balancer.set(index, 'drain');
          while ((await balancer.underWay(index)) > 0) await sleep(20);
          await node.restart();
          await balancer.set(index, 'ready');
          await sleep(500);
        }
      }
      end.abort();
      await Promise.all(clients);
      const rate = (tally.refreshes * 1000) / (performance.now() - from);
      demand(tally.failures.length === 0, `${tally.failures.length} failed: ${tally.failures[0]}`);
      demand(tally.refreshes > 100, `only ${tally.refreshes} refreshes`);
      return `${tally.refreshes} refreshes at ${rate.toFixed(0)}/s, ${tally.repeated} repeated, 0 failed`;
    } finally {
      await balanced.close();
    }
  },
};

export const balancedRows: readonly Fault[] = [deliveredTwice, rollingRestart];
