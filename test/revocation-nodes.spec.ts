import { InvalidGrantError } from 'nestjs-token-family';
import { RevocationCheck } from '../libs/auth/src/core/revocation-ports.js';
import type { RevocationFeed } from '../libs/auth/src/revocation/revocation.feed.js';
import { channelOf } from '../libs/auth/src/storage/channel.statements.js';
import { createDatabase, type TestDatabase } from './support/database.js';
import { me } from './support/http.js';
import { options, startNode, type TestNode } from './support/node.js';
import { soon, Wire } from './support/wire.js';

let database: TestDatabase;
const opened: { close(): Promise<void> }[] = [];
beforeEach(async () => {
  database = await createDatabase();
});
afterEach(async () => {
  for (const each of opened.splice(0).toReversed()) await each.close();
  await database.drop();
});

const POOL_SIZE = 3;

/** Polls too seldom to be of help: what such a node knows, it has heard. */
const hearing = options({ revocation: { pollInterval: 60, maxStaleness: 3600 } });
/** Hears nothing: what such a node knows, it has read. */
const deaf = options({ revocation: { pollInterval: 0.1, listen: false } });

async function start(settings = hearing): Promise<TestNode> {
  const url = `${database.url}?application_name=node`;
  const node = await startNode({ url, options: settings, poolSize: POOL_SIZE });
  opened.push(node);
  return node;
}

async function listeners(): Promise<{ pid: number }[]> {
  return database.query<{ pid: number }>(
    `select pid from pg_stat_activity where datname = current_database() and application_name ~ 'revocations$'`,
  );
}

async function notify(payload: string): Promise<void> {
  await database.query('select pg_notify($1, $2)', [channelOf('"refresh_token"'), payload]);
}

async function connectionsOfNodes(): Promise<number> {
  const named = `select 1 from pg_stat_activity where datname = current_database() and application_name ~ '^node|^revocations$'`;
  return (await database.query(named)).length;
}

/** Nodes that have proven that they hear. */
async function startHearing(count: number): Promise<TestNode[]> {
  const nodes = await Promise.all(Array.from({ length: count }, () => start()));
  expect(await soon(async () => (await listeners()).length === count)).toBe(true);
  return nodes;
}

function feedOf(node: TestNode): RevocationFeed {
  return node.get(RevocationCheck as never);
}

function knows(node: TestNode, sid: string): boolean {
  return feedOf(node).isRevoked(sid, Date.now());
}

test('a revocation is heard by every node, long before a poll', async () => {
  const nodes = await startHearing(3);
  const [dead, alive] = [await nodes[0]!.tokens.issue('alice'), await nodes[0]!.tokens.issue('alice')];
  await nodes[0]!.tokens.revoke(dead.sid);
  for (const node of nodes) {
    expect(await soon(() => knows(node, dead.sid))).toBe(true);
    expect((await me(node, dead.accessToken)).status).toBe(401);
    expect((await me(node, alive.accessToken)).status).toBe(200);
  }
  expect(nodes.map((node) => feedOf(node).lag.count)).toEqual([0, 1, 1]);
});

test('the end of a family for reuse is heard by every node', async () => {
  const nodes = await startHearing(2);
  const { sid, refreshToken } = await nodes[0]!.tokens.issue('alice');
  await nodes[0]!.tokens.rotate(refreshToken);
  await database.passTime(60);
  await expect(nodes[0]!.tokens.rotate(refreshToken)).rejects.toThrow(InvalidGrantError);
  expect(await soon(() => knows(nodes[1]!, sid))).toBe(true);
});

test('5,000 revocations at once are heard by every node', async () => {
  const nodes = await startHearing(2);
  await database.query(`
    insert into refresh_token (family_id, subject, client_id, generation, root_hash, step_hash, key_id, issued_at,
                               rotated_at, idle_expires_at, expires_at)
    select gen_random_uuid(), 'many', 'default', 0, '', '', 1, now(), now(), now() + interval '1 day', now() + interval '1 day'
    from generate_series(1, 5000)`);
  expect(await nodes[0]!.tokens.revokeAll('many')).toBe(5000);
  expect(await soon(() => feedOf(nodes[1]!).lag.size === 5000)).toBe(true);
});

test('a notification of a session that lives changes nothing', async () => {
  const nodes = await startHearing(2);
  const [alive, dead] = [await nodes[0]!.tokens.issue('alice'), await nodes[0]!.tokens.issue('alice')];
  await notify(`${alive.sid},${dead.sid}`);
  await nodes[0]!.tokens.revoke(dead.sid);
  expect(await soon(() => knows(nodes[1]!, dead.sid))).toBe(true);
  for (const node of nodes) expect((await me(node, alive.accessToken)).status).toBe(200);
});

test('notifications that come twice, late or in another order leave the same knowledge', async () => {
  const [first, second] = (await startHearing(2)) as [TestNode, TestNode];
  const pairs = [await first.tokens.issue('a'), await first.tokens.issue('b')];
  const sids = pairs.map(({ sid }) => sid);
  const told: string[] = [];
  feedOf(second).onRevoked((heard) => told.push(...heard));
  for (const sid of sids) await first.tokens.revoke(sid);
  for (const sid of [...sids.toReversed(), ...sids, ...sids]) await notify(sid);
  const last = await first.tokens.issue('c');
  await first.tokens.revoke(last.sid);
  expect(await soon(() => knows(second, last.sid))).toBe(true);
  expect(told.toSorted()).toEqual([...sids, last.sid].toSorted());
  expect(feedOf(second).lag.count).toBe(3);
});

test('a listener whose backend is ended comes back, and catches up with what it missed', async () => {
  const wire = await Wire.to(database.url);
  opened.push(wire);
  const behindWire = options({ revocation: { ...hearing.revocation, listenUrl: wire.url } });
  const [telling, losing] = [await start(), await start(behindWire)];
  expect(await soon(async () => (await listeners()).length === 2)).toBe(true);
  wire.isRefusing = true;
  const pids = (await listeners()).map(({ pid }) => pid);
  await database.query('select pg_terminate_backend(pid, 5000) from unnest($1::integer[]) as pid', [pids]);
  const [missed, next] = [await telling.tokens.issue('alice'), await telling.tokens.issue('alice')];
  await telling.tokens.revoke(missed.sid);
  expect(knows(losing, missed.sid)).toBe(false);
  wire.isRefusing = false;
  expect(await soon(() => knows(losing, missed.sid))).toBe(true);
  expect(await soon(async () => (await listeners()).length === 2)).toBe(true);
  expect((await listeners()).filter(({ pid }) => pids.includes(pid))).toEqual([]);
  expect(await connectionsOfNodes()).toBeLessThanOrEqual(2 * (POOL_SIZE + 1));
  await telling.tokens.revoke(next.sid);
  expect(await soon(() => knows(losing, next.sid))).toBe(true);
});

test('a node that does not listen is served by its polls', async () => {
  const [telling, polling] = [await start(), await start(deaf)];
  expect(await soon(async () => (await listeners()).length === 1)).toBe(true);
  const [one, other] = [await telling.tokens.issue('a'), await telling.tokens.issue('b')];
  await telling.tokens.revoke(one.sid);
  expect(await soon(() => knows(polling, one.sid))).toBe(true);
  await polling.tokens.revoke(other.sid);
  expect(await soon(() => knows(telling, other.sid))).toBe(true);
  expect(await listeners()).toHaveLength(1);
});

test('what a lost notification would have told is found by the next poll', async () => {
  const wire = await Wire.to(database.url);
  opened.push(wire);
  const settings = options({ revocation: { pollInterval: 1, listenUrl: wire.url } });
  const [telling, losing] = [await start(), await start(settings)];
  expect(await soon(async () => (await listeners()).length === 2)).toBe(true);
  wire.isDeaf = true;
  const { sid } = await telling.tokens.issue('alice');
  await telling.tokens.revoke(sid);
  expect(await soon(() => knows(losing, sid))).toBe(true);
  expect(await soon(() => wire.lost > 0)).toBe(true);
});

test('a revocation that was committed long after its time is found by the overlap of a poll', async () => {
  const nodes = [await start(deaf), await start()];
  expect(await soon(async () => (await listeners()).length === 1)).toBe(true);
  const { sid } = await nodes[0]!.tokens.issue('alice');
  const source = await database.connect({ poolSize: 1 });
  const slow = source.createQueryRunner();
  await slow.startTransaction();
  await slow.query(
    `update refresh_token set revoked_at = clock_timestamp() - interval '5 seconds', revocation_reason = 'logout' where family_id = $1`,
    [sid],
  );
  // Polls pass that cannot see it yet.
  const polled = async (count: number) => {
    for (let seen = 0; seen < count; seen++) {
      const { asOf } = feedOf(nodes[0]!).snapshot(Infinity, 1);
      expect(await soon(() => feedOf(nodes[0]!).snapshot(Infinity, 1).asOf > asOf)).toBe(true);
    }
  };
  await polled(3);
  expect(knows(nodes[0]!, sid)).toBe(false);
  await slow.commitTransaction();
  await slow.release();
  expect(await soon(() => knows(nodes[0]!, sid))).toBe(true);
  expect(feedOf(nodes[0]!).lag.last).toBeGreaterThan(5);
});

test('a revocation succeeds although nobody can be told', async () => {
  const nodes = await startHearing(2);
  const [untold, told] = [await nodes[0]!.tokens.issue('alice'), await nodes[0]!.tokens.issue('alice')];
  const { username, pathname } = new URL(database.url);
  await database.query('create schema shadow');
  await database.query(
    `create function shadow.pg_notify(text, text) returns void language plpgsql as $$ begin raise 'the queue is full'; end $$`,
  );
  await database.query(
    `alter role "${username}" in database "${pathname.slice(1)}" set search_path = shadow, pg_catalog, public`,
  );
  const failing = await start();
  expect(await failing.tokens.revoke(untold.sid)).toBe(true);
  expect(knows(failing, untold.sid)).toBe(true);
  await nodes[0]!.tokens.revoke(told.sid);
  expect(await soon(() => knows(nodes[1]!, told.sid))).toBe(true);
  expect(knows(nodes[1]!, untold.sid)).toBe(false);
});
