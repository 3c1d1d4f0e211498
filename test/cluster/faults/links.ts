import { setTimeout as sleep } from 'node:timers/promises';
import { demand, type Fault } from '../fault.js';
import { demandUnavailable, healthyDelta, Scenario, seconds, timed } from '../scenario.js';
import { recovery } from './database.js';

/** What happens to the link between a node and PostgreSQL. */

const blackHole: Fault = {
  id: 'F8',
  how: 'everything between one node and PostgreSQL is lost, without a RST',
  guarantee: '503 within queryTimeout, the other nodes go on; back by itself, the pool whole',
  async run(stage) {
    const cluster = await stage.cluster();
    const scenario = new Scenario(cluster);
    const clients = await Promise.all(Array.from({ length: 12 }, () => scenario.client()));
    const { link } = cluster.at(0);
    link.tcp.blackHole();
    const took = await Promise.all(
      clients.map(async (client) => {
        const [answer, time] = await timed(() => client.refresh(scenario.door(0)));
        demandUnavailable(answer!, 'the refresh');
        return time;
      }),
    );
    const slowest = Math.max(...took);
    const { queryTimeout, poolSize, nodes } = cluster.settings;
    demand(slowest < queryTimeout * 1000 + 800, `503 took ${seconds(slowest)}`);
    for (const client of clients) {
      demand((await client.refresh(scenario.door(1)))?.outcome === 'ok', 'another node could not help');
    }
    link.heal();
    const back = await recovery(scenario);
    const { open } = await cluster.connections();
    demand(open <= nodes * (poolSize + 1), `${open} connections`);
    await scenario.verify();
    return `12 of 12 refreshes 503 within ${seconds(slowest)} (queryTimeout ${queryTimeout} s), 12 of 12 repeated elsewhere; back after ${seconds(back)}`;
  },
};

const oneWay: Fault = {
  id: 'F19',
  how: 'what a node says reaches PostgreSQL, what PostgreSQL answers is lost',
  guarantee: '503 within queryTimeout; another node gives the successor that was committed unheard',
  async run(stage) {
    const cluster = await stage.cluster();
    const scenario = new Scenario(cluster);
    const clients = await scenario.both();
    // A connection that is open: a new one could not even be set up.
    for (const client of clients) await client.refresh(scenario.door(0));
    const { link } = cluster.at(0);
    link.tcp.blackHole('down');
    for (const client of clients) {
      const [answer, took] = await timed(() => client.refresh(scenario.door(0)));
      demandUnavailable(answer!, 'the refresh');
      demand(took < cluster.settings.queryTimeout * 1000 + 800, `503 took ${seconds(took)}`);
    }
    const committed = await Promise.all(clients.map((client) => scenario.rowOf(client)));
    for (const [index, client] of clients.entries()) {
      const answer = await client.refresh(scenario.door(1));
      demand(answer?.outcome === 'ok', `elsewhere the repeat was ${answer?.reason}`);
      const { generation } = scenario.door(1).nameOf(answer.text!);
      demand(generation === Math.max(2, committed[index]!.generation), 'the repeat rotated once more');
    }
    link.heal();
    await recovery(scenario);
    await scenario.verify();
    const unheard = committed.filter(({ generation }) => generation === 2).length;
    return `2 of 2 refreshes 503, ${unheard} of them committed unheard; 2 of 2 repeats elsewhere got the one successor`;
  },
};

const partitioned: Fault = {
  id: 'F18',
  how: 'one node is cut off from PostgreSQL and goes on being asked by clients, for longer than maxStaleness',
  guarantee:
    'refreshes are 503; access tokens are accepted until maxStaleness, then 503; a session ended elsewhere is not accepted any longer than that',
  async run(stage) {
    const cluster = await stage.cluster();
    const scenario = new Scenario(cluster);
    const { maxStaleness } = cluster.settings;
    const [client, ended] = await Promise.all([scenario.client(), scenario.client()]);
    cluster.at(0).link.tcp.blackHole();
    const cut = performance.now();
    await scenario.admin.revoke(scenario.door(1), ended.family);
    const refreshing = client.refresh(scenario.door(0));
    const last = { living: 0, ended: 0 };
    let stale = 0;
    while (performance.now() - cut < maxStaleness * 1000 + 1_500) {
      const [living, dead] = [await client.access(scenario.door(0)), await ended.access(scenario.door(0))];
      demand(living.outcome !== 'refused', `a living session was ${living.reason}`);
      const now = performance.now() - cut;
      if (living.outcome === 'ok') last.living = now;
      if (dead.outcome === 'ok') last.ended = now;
      if (living.outcome === 'unknown') stale++;
      await sleep(30);
    }
    demandUnavailable((await refreshing)!, 'the refresh');
    demand(stale > 0 && last.living > 0, 'it was never stale, or always');
    demand(last.living < maxStaleness * 1000 + 300, `access for ${seconds(last.living)} without news`);
    cluster.at(0).link.heal();
    const back = await scenario.until(
      'access again',
      async () => (await client.access(scenario.door(0))).outcome === 'ok',
    );
    demand(
      (await ended.access(scenario.door(0))).outcome === 'refused',
      'back, it accepted a session that was over',
    );
    await recovery(scenario);
    await scenario.verify();
    return `access for ${seconds(last.living)} without news (maxStaleness ${maxStaleness} s), of the ended session for ${seconds(last.ended)}, then 503; back after ${seconds(back)}`;
  },
};

const channelDown: Fault = {
  id: 'F16',
  how: 'no notification reaches one node (2 s; 60 s in the full run), while polling works',
  guarantee: 'it hears by polling: access ends within pollInterval + 1 s',
  async run(stage) {
    const cluster = await stage.cluster();
    const scenario = new Scenario(cluster);
    const times: number[] = [];
    for (const end = Date.now() + (stage.form === 'full' ? 60_000 : 2_000); Date.now() < end;) {
      times.push(await untilRefusedUnheard(scenario));
    }
    await scenario.verify();
    return `${times.length} revocations on another node, refused here after ${seconds(Math.max(...times))} at the latest`;
  },
};

const oneDropped: Fault = {
  id: 'F15',
  how: 'the proxy swallows one NotificationResponse',
  guarantee: 'the next poll finds what was not heard: access ends within pollInterval + 1 s',
  async run(stage) {
    const cluster = await stage.cluster();
    const scenario = new Scenario(cluster);
    const took = await untilRefusedUnheard(scenario);
    await scenario.verify();
    return `1 notification swallowed; refused after ${seconds(took)} (pollInterval ${cluster.settings.pollInterval} s)`;
  },
};

const repeated: Fault = {
  id: 'F38',
  how: 'every notification comes twice, and all former ones again after it, the latest first',
  guarantee: 'hearing it again changes nothing: what is over stays over, what lives goes on',
  async run(stage) {
    const cluster = await stage.cluster();
    const scenario = new Scenario(cluster, { seed: stage.seed });
    const { link } = cluster.at(0);
    link.repeatNotifications();
    await scenario.traffic({ clients: 6, thieves: 0, revocations: 4 }, () => sleep(2_000));
    return `${link.repeated} notifications repeated; ${scenario.counts()}`;
  },
};

/** Ends a session on one node, whose notification does not reach another. @returns milliseconds until that one refuses it */
async function untilRefusedUnheard(scenario: Scenario): Promise<number> {
  const client = await scenario.client();
  let swallowed = false;
  const lost = scenario.cluster.at(0).link.swallowNotification(client.family);
  void lost.then(() => (swallowed = true));
  await client.access(scenario.door(0));
  await scenario.admin.revoke(scenario.door(1), client.family);
  const refused = async (): Promise<boolean> => (await client.access(scenario.door(0))).outcome === 'refused';
  const took = await scenario.until('refused', refused);
  demand(took < healthyDelta(scenario.cluster), `refused only after ${seconds(took)}`);
  await scenario.until('a notification was swallowed', async () => swallowed, 5_000);
  return took;
}

export const linkFaults: Fault[] = [blackHole, oneWay, oneDropped, channelDown, partitioned, repeated];
