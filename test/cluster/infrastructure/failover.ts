import { randomUUID } from 'node:crypto';
import { refresh } from '../../support/http.js';
import { logIn } from '../cut-off.js';
import { demand, type Fault, type Stage } from '../fault.js';
import { Chain } from './chain.js';
import { makeSeed } from './postgres-copies.js';
import { ask } from './requests.js';
import { startGroup, type GroupNode, type NodeGroup } from './node-group.js';
import { startReplicated, type Replicated } from './replicated.js';

/** MAX_ADVANCE of the judge. */
const MOST_LOST = 8;
const FAMILIES = { full: 90, short: 18 };

/** After `update of revoked_at`, the commit waits until the standby has applied it; rotations do not wait. */
export const AWAIT_STANDBY = `
  create function await_standby() returns trigger language plpgsql as $$
  begin
    perform set_config('synchronous_commit', 'remote_apply', true);
    return null;
  end $$;
  create trigger await_standby after update of revoked_at on refresh_token
    for each statement execute function await_standby()`;

/** The settings of a primary on which that trigger alone makes anything wait. */
export const ONE_STANDBY = { synchronous_standby_names: '*', synchronous_commit: 'local' };

interface World extends Replicated {
  readonly group: NodeGroup;
  readonly nodes: readonly [GroupNode, GroupNode];
}

interface WorldSettings {
  readonly replication?: Parameters<typeof startReplicated>[1];
  /** whether TypeORM is told of the standby, to read from */
  readonly readsFromStandby?: boolean;
}

/** Leeway 0: every refresh rotates, so that a family can be generations ahead of what the standby knows. */
async function withReplicated(
  { replication, readsFromStandby = false }: WorldSettings,
  work: (world: World) => Promise<string>,
): Promise<string> {
  const opened: { close(): Promise<void> }[] = [];
  try {
    const seed = await makeSeed();
    opened.unshift({ close: () => seed.remove() });
    const replicated = await startReplicated(seed, replication);
    opened.unshift(replicated);
    const group = await startGroup({
      databaseUrl: replicated.databaseUrl,
      nodes: 2,
      poolSize: 5,
      leeway: 0,
      revocation: { pollInterval: 0.2 },
      database: { lockTimeout: 0.5, queryTimeout: 1 },
      ...(readsFromStandby && { replicas: [seed.urlOf(replicated.standby.port)] }),
    });
    opened.unshift(group);
    const [one, other] = group.nodes;
    return await work({ ...replicated, group, nodes: [one!, other!] });
  } finally {
    for (const each of opened) await each.close();
  }
}

async function logins(node: GroupNode, count: number): Promise<Chain[]> {
  const pairs = await Promise.all(Array.from({ length: count }, () => logIn(node)));
  return pairs.map((pair) => new Chain(node, pair));
}

async function revoke(node: GroupNode, { pair }: Chain): Promise<number> {
  return (await ask(`${node.url}/test/revoke`, { method: 'POST', json: { sid: pair.sid } })).status;
}

/** Until it is answered by the database. */
async function untilAnswered(chain: Chain, node: GroupNode): Promise<void> {
  const from = performance.now();
  while ((await chain.present(chain.tokens.length - 1, node)).status === 503)
    demand(performance.now() - from < 30_000, 'no answer for 30 s after the failover');
}

async function isRefused(node: GroupNode, token: string): Promise<boolean> {
  const { status, body } = await refresh(node, token);
  return status === 400 && body['error'] === 'invalid_grant';
}

const lostCommits: Fault = {
  id: 'F20',
  how: `the standby is cut off, families go on for 0 to ${MOST_LOST} generations (every other one with a last refresh that is not answered), the primary is killed, the standby promoted`,
  guarantee: 'no honest client is logged out; a thief who replays what it copied before is caught',
  run: ({ form }: Stage) =>
    withReplicated({}, async (world) => {
      const [node, other] = world.nodes;
      const chains = await logins(node, FAMILIES[form]);
      for (const chain of chains) await chain.refresh(2);
      await world.stopReplication();
      const stolen: string[] = [];
      for (const [index, chain] of chains.entries()) {
        await chain.refresh(index % (MOST_LOST + 1));
        stolen.push(chain.newest);
        if (index % 2 === 1) await chain.present(chain.tokens.length - 1);
      }
      await world.primary.kill();
      const killedAt = performance.now();
      const failingOver = world.failOver();
      await untilAnswered(chains[0]!, node);
      const downtime = performance.now() - killedAt;
      await failingOver;
      for (const [index, chain] of chains.entries()) await chain.refresh(3, index % 2 === 0 ? node : other);
      const robbed = stolen.filter((_, index) => index % 3 === 0);
      let caught = 0;
      for (const [turn, token] of robbed.entries()) {
        const isCaught = (await isRefused(other, token)) && (await isRefused(node, chains[turn * 3]!.newest));
        if (isCaught) caught++;
      }
      demand(
        caught === robbed.length,
        `${robbed.length - caught} thieves of ${robbed.length} were not caught`,
      );
      const followed = world.group.told('advanced');
      demand(followed > 0, 'no commit was lost');
      return `${chains.length} families, ${followed} of them followed beyond the database: 0 logged out; ${caught} thieves caught; first answer ${downtime.toFixed(0)} ms after the kill`;
    }),
};

const confirmedRevocations: Fault = {
  id: 'F21',
  how: 'the same with a standby that revocations wait for (remote_apply, by a trigger); the primary is killed as soon as the last one is confirmed',
  guarantee:
    'no confirmed revocation is lost; one that the standby cannot have is answered 503 (F22), and its repeat counts',
  run: ({ form }: Stage) =>
    withReplicated({ replication: { primarySettings: ONE_STANDBY } }, async (world) => {
      const [node, other] = world.nodes;
      await world.primary.query(AWAIT_STANDBY);
      const chains = await logins(node, FAMILIES[form]);
      for (const chain of chains) await chain.refresh();
      const confirmed = chains.slice(3);
      const statuses = await Promise.all(confirmed.map((chain) => revoke(node, chain)));
      demand(
        statuses.every((status) => status < 300),
        `a revocation was answered ${statuses.join(', ')}`,
      );
      await world.stopReplication();
      const rest = chains.slice(0, 3);
      const unconfirmed = await Promise.all(rest.map((chain) => revoke(other, chain)));
      demand(
        unconfirmed.every((status) => status === 503),
        `without a standby: ${unconfirmed.join(', ')}`,
      );
      await world.primary.kill();
      await world.failOver();
      let dead = 0;
      for (const { newest } of confirmed) if (await isRefused(other, newest)) dead++;
      demand(dead === confirmed.length, `${confirmed.length - dead} confirmed revocations were lost`);
      for (const chain of rest) {
        await revoke(other, chain);
        demand(await isRefused(node, chain.newest), 'a repeated revocation did not count');
      }
      return `${dead} confirmed, 0 lost; ${rest.length} unconfirmed answered 503 and repeated`;
    }),
};

const laggingReplica: Fault = {
  id: 'F14',
  how: `TypeORM's replication with a standby an hour behind (recovery_min_apply_delay)`,
  guarantee: 'reads of refreshes and revocations go to the primary',
  run: ({ form }: Stage) =>
    withReplicated(
      { replication: { standbySettings: { recovery_min_apply_delay: '1h' } }, readsFromStandby: true },
      async (world) => {
        const { nodes } = world;
        const chains = await logins(nodes[0], FAMILIES[form]);
        for (const [index, chain] of chains.entries()) {
          const [node, other] = index % 2 === 0 ? nodes : nodes.toReversed();
          await chain.refresh(3, node);
          const repeat = await chain.present(2, other);
          demand(repeat.body['refresh_token'] === chain.newest, `a repeat was answered ${repeat.status}`);
          demand(await isRefused(nodes[0], chain.tokens[1]!), 'a replay was not refused');
          demand(await isRefused(nodes[1], chain.newest), 'a family lives after a replay');
        }
        const behind = await world.standby.query('select from refresh_token');
        demand(behind.length === 0, 'the replica was not behind');
        return `${chains.length} families: 3 refreshes, a repeat and a replay each, on 2 nodes; the replica knew of none`;
      },
    ),
};

const wrongServer: Fault = {
  id: 'F23',
  how: 'the address of the database leads to a standby; then that is promoted, and the old primary comes back beside it',
  guarantee: 'a standby is answered 503; nodes stick to the address, and nothing reaches the old primary',
  run: ({ form }: Stage) =>
    withReplicated({}, async (world) => {
      const [node] = world.nodes;
      const chains = await logins(node, FAMILIES[form]);
      await world.stopReplication();
      world.leadTo(world.standby);
      for (const { newest } of chains) {
        const { status } = await refresh(node, newest, { 'idempotency-key': randomUUID() });
        demand(status === 503, `a standby was answered ${status}`);
      }
      await world.primary.kill();
      await world.failOver();
      await world.primary.restart();
      for (const chain of chains) await chain.refresh(3);
      const moved = await world.primary.query('select from refresh_token where generation > 0');
      demand(moved.length === 0, `${moved.length} refreshes went to the old primary`);
      return `${chains.length} × 503 at the standby; ${chains.length * 3} refreshes after the failover, none on the old primary`;
    }),
};

export const failoverRows: readonly Fault[] = [
  laggingReplica,
  lostCommits,
  confirmedRevocations,
  wrongServer,
];
