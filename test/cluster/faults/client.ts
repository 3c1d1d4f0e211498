import { setTimeout as sleep } from 'node:timers/promises';
import { BadNetwork } from '../bad-network.js';
import { Town } from '../client-town.js';
import type { Cluster } from '../cluster.js';
import { Counts } from '../counts.js';
import { demand, type Fault } from '../fault.js';
import { rowsOf } from '../history.js';
import { listenToRequests } from '../http-proxy.js';
import { quantiles } from '../quantiles.js';
import { Random } from '../random.js';
import { seconds } from '../scenario.js';

/** What the client makes of a bad network, with nodes that come and go. */

/** Seconds. Rotations happen all the time, and most retries come after the leeway: their key alone proves them. */
const SETTINGS = { lifetime: 4, leeway: 0.3 };
/**
 * Milliseconds; the full run goes on until an answer was cut at each of its bytes. A client waits twice as long after each
 * failure, so the short run loses less.
 */
const FORMS = {
  short: { sessions: 14, time: 7_000, longestTime: 7_000, lost: 0.12, step: 61 },
  full: { sessions: 70, time: 60_000, longestTime: 180_000, lost: 0.3, step: 1 },
} as const;

/** One node dies, and a while later nobody is served at all. */
async function harm(cluster: Cluster, network: BadNetwork, random: Random): Promise<void> {
  const node = random.of(cluster.nodes);
  await node.kill();
  await sleep(random.between(0, 500));
  await node.start();
  await network.storm(random.between(300, 1_000));
  await sleep(random.between(1_000, 2_000));
}

/** @returns how often each event was told */
async function checkServer({ nodes, database }: Cluster, sids: readonly string[]): Promise<Counts> {
  const counts = new Counts();
  for (const { type, late } of nodes.flatMap((node) => node.events)) counts.add(late ? 'late' : type);
  for (const type of ['reused', 'forged', 'revoked'])
    demand(counts.of(type) === 0, `the nodes tell of ${counts.of(type)} × ${type}`);
  const rows = await rowsOf(database, sids);
  const living = rows.filter(({ revoked }) => !revoked);
  demand(living.length === sids.length, `${living.length} living rows of ${sids.length} sessions`);
  demand(counts.of('late') > 0, 'no retry came after the leeway');
  return counts;
}

const clients: Fault = {
  id: 'C7',
  how: 'token-family-client, alone and as tabs that share a storage and its lock, behind a proxy that loses 30 % of all answers (12 % in the short run), cuts those to refreshes after one byte more each time, holds some back for 5 s, and has storms of 503 with and without Retry-After; kill -9 of one node after the other (7 s; in the full run until an answer was cut at every byte, 3 minutes at most)',
  guarantee:
    'no client is logged out or refused; each has access again when all is well, and after a reload; no reuse, no forgery, one living row per session',
  async run(stage) {
    const form = FORMS[stage.form];
    const { sessions, time, longestTime } = form;
    const cluster = await stage.cluster(SETTINGS);
    const random = new Random(stage.seed);
    const network = new BadNetwork(random, form);
    let turn = 0;
    const proxy = await listenToRequests(
      () => cluster.at(turn++).front.port,
      (request) => network.fateOf(request),
    );
    const town = new Town(proxy.url, random);
    try {
      for (let index = 0; index < sessions; index++) await town.logIn(index);
      const end = new AbortController();
      const lives = town.users.map((user) => user.live(end.signal));
      const start = performance.now();
      const isOver = (): boolean => {
        const past = performance.now() - start;
        return past > longestTime || (past > time && network.isCutEverywhere);
      };
      let kills = 0;
      for (network.begin(); !isOver(); kills++) await harm(cluster, network, random);
      network.heal();
      end.abort();
      await Promise.all(lives);
      town.check();
      const healed = await town.untilAccepted();
      for (const user of town.users) user.reload();
      const reloaded = await town.untilAccepted();
      town.check();
      demand(network.cuts.size > 0 && kills > 0, 'nothing was cut, or nobody killed');
      const counts = await checkServer(cluster, town.sids);
      const clientCount = `${town.users.length} clients in ${sessions} sessions`;
      const refreshes = `${counts.of('rotated')} rotations, ${counts.of('retried')} retries within the leeway, ${counts.of('late')} after it`;
      const faults = `${network.counts.toString()}, at ${network.cuts.size} of ${network.length} bytes; ${kills} × kill -9`;
      const { p50, p99, max } = quantiles(town.outages());
      const waits = `waits for an access token: p50 ${seconds(p50)}, p99 ${seconds(p99)}, max ${seconds(max)}; access ${seconds(healed)} after the end, ${seconds(reloaded)} after a reload`;
      return `${clientCount}: ${refreshes}; ${faults}; ${waits}`;
    } finally {
      town.close();
      await proxy.close();
    }
  },
};

export const clientFaults: Fault[] = [clients];
