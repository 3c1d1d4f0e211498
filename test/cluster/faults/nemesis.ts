import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster, ClusterNode } from '../cluster.js';
import type { Fault } from '../fault.js';
import { Random } from '../random.js';
import { Scenario } from '../scenario.js';
import { OWN } from './database.js';

type Deed = (node: ClusterNode, cluster: Cluster, random: Random) => Promise<void>;

/** Each undoes what it has done, and keeps no request on its way for longer than a client waits. */
const DEEDS: Record<string, Deed> = {
  'connections to PostgreSQL reset': async ({ link }) => link.tcp.reset(),
  'connections of clients reset': async ({ front }) => front.reset(),
  'PostgreSQL unreachable': async ({ link }) => {
    link.tcp.refuse();
    link.tcp.reset();
    await sleep(500);
    link.heal();
  },
  'PostgreSQL silent': async ({ link }) => {
    link.tcp.blackHole();
    await sleep(1_000);
    link.heal();
  },
  'PostgreSQL deaf and mute one way': async ({ link }, _, random) => {
    link.tcp.blackHole(random.of(['up', 'down']));
    await sleep(1_000);
    link.heal();
  },
  'answers held back': async ({ front }) => {
    front.hold('down');
    await sleep(600);
    front.heal();
  },
  'an answer cut': async ({ front }, _, random) => front.cutAfter(random.between(0, 1_000), 'down'),
  'slow network': async ({ front, link }, _, random) => {
    front.delay(random.between(5, 80));
    link.tcp.delay(random.between(5, 80));
    await sleep(800);
    front.heal();
    link.heal();
  },
  'committed, then reset': async ({ link }) => {
    void link.resetAt('token_family_rotate', 'answered');
    await sleep(300);
  },
  'kill -9 and restart': async (node) => {
    await node.kill();
    await node.start();
  },
  'SIGSTOP, SIGCONT': async ({ process }) => {
    process.pause();
    await sleep(800);
    process.resume();
  },
  'backends ended': async (_, cluster, random) => {
    await cluster.terminateBackends(random.between(1, 5));
  },
  'wall clock off': async ({ process }, _, random) => {
    process.shiftClock(random.of([7_200_000, -7_200_000]));
    await sleep(300);
    process.shiftClock(0);
  },
};

const CRASH: Deed = async (_, { postgres }) => {
  await postgres.stop('immediate');
  await postgres.start();
};

const nemesis: Fault = {
  id: 'random',
  how: 'faults drawn at random, one after the other, on random nodes (10 s; 60 s in the full run): links reset, silent, slow or cut, kill -9, SIGSTOP, backends ended, clocks off, PostgreSQL crashed',
  guarantee: 'the checker finds nothing in what honest clients, thieves and an administrator have seen',
  async run(stage) {
    const cluster = await stage.cluster(OWN);
    const random = new Random(stage.seed);
    const scenario = new Scenario(cluster, {
      seed: stage.seed,
      clocksAreRight: false,
      patience: 1_500,
      lag: 2_500,
    });
    const done: string[] = [];
    const deeds = Object.entries({ ...DEEDS, 'PostgreSQL crashed': CRASH });
    await scenario.traffic({ clients: 8, thieves: 2, revocations: 3 }, async () => {
      for (const end = Date.now() + (stage.form === 'full' ? 60_000 : 10_000); Date.now() < end;) {
        const [name, deed] = random.of(deeds);
        done.push(name);
        await deed(random.of(cluster.nodes), cluster, random);
        await sleep(random.between(50, 300));
      }
      await cluster.heal();
    });
    return `seed ${stage.seed}: ${done.length} faults of ${new Set(done).size} kinds; ${scenario.counts()}`;
  },
};

export const randomFaults: Fault[] = [nemesis];
