import { setTimeout as sleep } from 'node:timers/promises';
import { demand, type Fault } from '../fault.js';
import { demandUnavailable, Scenario } from '../scenario.js';

/** What happens to answers, on their way to the client or to the node. */

const EIGHT_HOURS = 8 * 3600;

const lostAnswer: Fault = {
  id: 'F3',
  how: 'the answer is held back and the connection reset; the client repeats eight hours later, on another node',
  guarantee: 'the same successor, by Idempotency-Key and by cookie',
  async run(stage) {
    const cluster = await stage.cluster();
    const scenario = new Scenario(cluster);
    const clients = await scenario.both();
    const { front } = cluster.at(0);
    front.hold('down');
    const pending = clients.map((client) => client.refresh(scenario.door(0)));
    for (const client of clients) {
      await scenario.until('it is committed', async () => (await scenario.rowOf(client)).generation === 1);
    }
    await sleep(50);
    front.reset();
    await Promise.all(pending);
    front.heal();
    await cluster.database.passTime(EIGHT_HOURS);
    for (const client of clients) {
      const answer = await client.refresh(scenario.door(1));
      demand(answer?.outcome === 'ok', `the repeat was ${answer?.reason}`);
      demand((await scenario.rowOf(client)).generation === 1, 'the repeat rotated once more');
    }
    await scenario.verify();
    return '2 of 2 repeats got the successor that had been lost';
  },
};

const truncatedAnswer: Fault = {
  id: 'F4',
  how: 'the connection is reset after N bytes of the answer (every N; every 61st in the short run), then the refresh is repeated',
  guarantee: 'a half answer is none: the repeat gets the same successor',
  async run(stage) {
    const cluster = await stage.cluster();
    const scenario = new Scenario(cluster);
    const { front } = cluster.at(0);
    const step = stage.form === 'full' ? 1 : 61;
    let cuts = 0;
    let length = 0;
    for (const client of await scenario.both()) {
      const before = front.passed.down;
      await client.refresh(scenario.door(0));
      length = front.passed.down - before;
      for (let bytes = 0; bytes < length; bytes += step) {
        front.cutAfter(bytes, 'down');
        const cut = await client.refresh(scenario.door(0));
        if (cut?.outcome === 'unknown') cuts++;
        front.heal();
        const { generation } = await scenario.rowOf(client);
        const answer = await client.refresh(scenario.door(0));
        demand(answer?.outcome === 'ok', `after ${bytes} bytes the repeat was ${answer?.reason}`);
        const isSame = scenario.door(0).nameOf(answer.text!).generation === generation;
        demand(isSame || cut?.outcome === 'ok', `after ${bytes} bytes the repeat rotated once more`);
      }
    }
    demand(cuts > 0, 'nothing was cut');
    await scenario.verify();
    return `${cuts} answers cut, the last ones of ${length} bytes; every repeat got the same successor`;
  },
};

const resetAtCommit: Fault = {
  id: 'F5',
  how: 'the connection to PostgreSQL is reset when the statement is on its way, or when PostgreSQL has committed; for a rotation and for the COMMIT of a revokeAll',
  guarantee: '503, no cookie touched; the repeat finds either state and ends the same',
  async run(stage) {
    const cluster = await stage.cluster();
    const scenario = new Scenario(cluster);
    const { link } = cluster.at(0);
    const door = scenario.door(0);
    for (const [moment, committed] of [
      ['sent', 0],
      ['answered', 1],
    ] as const) {
      for (const client of await scenario.both()) {
        const struck = link.resetAt('token_family_rotate', moment);
        demandUnavailable((await client.refresh(door))!, 'the refresh');
        await struck;
        demand((await scenario.rowOf(client)).generation === committed, `${moment}: not what was to be`);
        const answer = await client.refresh(door);
        demand(answer?.outcome === 'ok', `${moment}: the repeat was ${answer?.reason}`);
        demand((await scenario.rowOf(client)).generation === 1, `${moment}: the repeat rotated once more`);
      }
      const client = await scenario.client('body', `revoked when ${moment}`);
      const struck = link.resetAt('commit', moment);
      demandUnavailable(await scenario.admin.revokeAll(door, client), 'the revokeAll');
      await struck;
      demand((await scenario.rowOf(client)).revoked === (committed === 1), `${moment}: not what was to be`);
      const again = await scenario.admin.revokeAll(door, client);
      demand(again.outcome !== 'unknown', `${moment}: the repeated revokeAll was ${again.reason}`);
      demand((await scenario.rowOf(client)).revoked, `${moment}: the repeated revokeAll ended nothing`);
    }
    await scenario.verify();
    return '4 of 4 refreshes and 2 of 2 revokeAlls: 503, then the same end from either state';
  },
};

export const answerFaults = [lostAnswer, truncatedAnswer, resetAtCommit];
