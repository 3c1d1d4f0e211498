import { setTimeout as sleep } from 'node:timers/promises';
import { send } from '../../support/http.js';
import { demand, type Fault } from '../fault.js';
import { Scenario, seconds, timed } from '../scenario.js';

/** What happens to node processes. */

const killedBeforeCommit: Fault = {
  id: 'F1',
  how: 'kill -9 of a node while its UPDATE waits for the row, and between the statements of a revokeAll',
  guarantee: 'the client repeats it elsewhere and gets one successor; half of a revokeAll is none',
  async run(stage) {
    const cluster = await stage.cluster();
    const scenario = new Scenario(cluster);
    const clients = await scenario.both();
    const pending: Promise<unknown>[] = [];
    await scenario.whileLocked(
      clients.map(({ family }) => family),
      async () => {
        pending.push(...clients.map((client) => client.refresh(scenario.door(0))));
        await scenario.untilWaiting(2);
        await cluster.at(0).kill();
      },
    );
    await Promise.all(pending);
    for (const client of clients) {
      demand((await client.settle()).outcome === 'ok', 'the refresh could not be repeated elsewhere');
    }
    await cluster.heal();
    const pair = await Promise.all([scenario.client('body', 'twice'), scenario.client('body', 'twice')]);
    await scenario.whileLocked([pair[1].family], async () => {
      const revoking = send(`${cluster.at(0).url}/test/revoke`, { json: { subject: 'twice' } });
      await scenario.untilWaiting();
      await Promise.all([cluster.at(0).kill(), revoking.catch(() => null)]);
    });
    await cluster.heal();
    for (const client of pair)
      demand((await client.settle()).outcome === 'ok', 'half of a revokeAll was committed');
    await scenario.verify();
    return `2 of 2 refreshes repeated on another node; both sessions of a revokeAll cut short live; ${scenario.counts()}`;
  },
};

const killedAfterCommit: Fault = {
  id: 'F2',
  how: 'kill -9 of a node when PostgreSQL has committed its UPDATE and the answer has not reached it',
  guarantee: 'another node gives the client the successor that was committed',
  async run(stage) {
    const cluster = await stage.cluster();
    const scenario = new Scenario(cluster);
    const clients = await scenario.both();
    const pending: Promise<unknown>[] = [];
    for (const client of clients) {
      const committed = cluster.at(0).link.loseAnswerTo('token_family_rotate');
      pending.push(client.refresh(scenario.door(0)));
      await committed;
    }
    await cluster.at(0).kill();
    await Promise.all(pending);
    for (const client of clients) {
      const { generation, step } = await scenario.rowOf(client);
      demand(generation === 1, 'nothing had been committed');
      const answer = await client.settle();
      demand(answer.outcome === 'ok', `the repeat was ${answer.reason}`);
      demand(scenario.door(1).nameOf(answer.text!).step === step, 'the repeat got another successor');
    }
    await scenario.verify();
    return '2 of 2 repeats on another node got the committed successor';
  },
};

const zombie: Fault = {
  id: 'F28',
  how: 'SIGSTOP of a node in the middle of a refresh (3 s; 30 s in the full run), its statement held back or committed; SIGCONT',
  guarantee: 'what it does late is harmless: the client has gone on elsewhere and stays logged in',
  async run(stage) {
    const cluster = await stage.cluster();
    const scenario = new Scenario(cluster);
    const [committed, held] = await Promise.all([scenario.client('body'), scenario.client('cookie')]);
    const { process, link } = cluster.at(0);
    let pending: Promise<unknown>[] = [];
    await scenario.whileLocked([committed.family], async () => {
      pending = [committed.refresh(scenario.door(0))];
      await scenario.untilWaiting();
      link.tcp.hold('up');
      pending.push(held.refresh(scenario.door(0)));
      await sleep(100);
      process.pause();
    });
    await Promise.all(pending);
    const others = [scenario.door(1), scenario.door(2)];
    for (let round = 0; round < 4; round++) {
      for (const client of [committed, held]) {
        const answer = await client.refresh(others[round % 2]!);
        demand(answer?.outcome === 'ok', `elsewhere the client was told ${answer?.reason}`);
      }
    }
    await sleep(stage.form === 'full' ? 27_000 : 0);
    process.resume();
    link.tcp.release();
    await sleep(1_000);
    await cluster.heal();
    for (const client of [committed, held])
      demand((await client.settle()).outcome === 'ok', 'the zombie did harm');
    await scenario.verify();
    return `both clients rotated 4 more times meanwhile and live on; ${scenario.counts()}`;
  },
};

const rollingRestart: Fault = {
  id: 'F30',
  how: 'rolling restart: SIGTERM to one node after the other under load, each back on its port',
  guarantee: 'nobody is logged out; what is not answered is repeated on another node',
  async run(stage) {
    const cluster = await stage.cluster();
    const scenario = new Scenario(cluster, { seed: stage.seed });
    const stops: number[] = [];
    await scenario.traffic({ clients: 8, thieves: 0, revocations: 0 }, async () => {
      for (const node of cluster.nodes) {
        stops.push((await timed(() => node.stop()))[1]);
        await node.start();
      }
    });
    return `${scenario.counts()}; a node took at most ${seconds(Math.max(...stops))} to stop`;
  },
};

const startsWithoutDatabase: Fault = {
  id: 'F33',
  how: 'a node starts while it cannot reach PostgreSQL, and while PostgreSQL does not let it read what is revoked',
  guarantee: 'it does not serve before it has loaded what is revoked; it starts when PostgreSQL is back',
  async run(stage) {
    const cluster = await stage.cluster();
    const scenario = new Scenario(cluster);
    const client = await scenario.client();
    const node = cluster.at(0);
    await node.stop();
    await scenario.admin.revoke(scenario.door(1), client.family);
    node.link.tcp.refuse();
    const starts = (): Promise<boolean> =>
      node.start().then(
        () => true,
        () => false,
      );
    demand(!(await starts()), 'it started without its database');
    node.link.heal();
    await scenario.holding('lock table refresh_token in access exclusive mode', [], async () => {
      demand(!(await starts()), 'it started without having read what is revoked');
    });
    const [, took] = await timed(() => node.start());
    const first = await client.access(scenario.door(0));
    demand(first.outcome === 'refused', `its first answer about a revoked session was ${first.reason}`);
    await scenario.verify();
    return `it did not start, twice; then it served after ${seconds(took)} and refused the session that had been revoked meanwhile`;
  },
};

const clocks: Fault = {
  id: 'F24',
  how: 'the wall clock of one node jumps by +2 h, by −2 h, and back, during traffic (Date.now shifted in the process)',
  guarantee: 'no refresh depends on it: nobody is logged out, theft is caught',
  async run(stage) {
    const cluster = await stage.cluster();
    const scenario = new Scenario(cluster, { seed: stage.seed, clocksAreRight: false });
    const HOURS = 3_600_000;
    await scenario.traffic({ clients: 6, thieves: 1, revocations: 1 }, async () => {
      for (const shift of [2 * HOURS, -2 * HOURS, 0]) {
        cluster.at(0).process.shiftClock(shift);
        await sleep(stage.form === 'full' ? 5_000 : 800);
      }
    });
    return scenario.counts();
  },
};

export const processFaults = [
  killedBeforeCommit,
  killedAfterCommit,
  clocks,
  zombie,
  rollingRestart,
  startsWithoutDatabase,
];
