import { InvalidGrantError, UnavailableError, type TokenPair } from 'nestjs-token-family';
import { connectionsTaken } from './support/connections.js';
import { createDatabase, type TestDatabase } from './support/database.js';
import { options, startNode, type TestNode } from './support/node.js';

const STORM = 200;
const LEEWAY = 10;
/** No poll and no probe falls into a test: every connection that is taken is taken for a request. */
const quiet = { pollInterval: '60s', maxStaleness: '1h', listen: false } as const;

let database: TestDatabase;
let node: TestNode;
let other: TestNode;
beforeAll(async () => {
  database = await createDatabase();
  [node, other] = (await Promise.all(
    [0, 1].map(() => startNode({ url: database.url, options: options({ revocation: quiet }) })),
  )) as [TestNode, TestNode];
});
afterAll(async () => {
  await node?.close();
  await other?.close();
  await database?.drop();
});

/** What `work` came to, and how many connections the node took for it. */
async function counted<T>(work: () => Promise<T>): Promise<[T, number]> {
  let result!: T;
  const connections = await connectionsTaken(node, async () => {
    result = await work();
  });
  return [result, connections];
}

const storm = (token: string, at = node, times = STORM): Promise<TokenPair[]> =>
  Promise.all(Array.from({ length: times }, () => at.tokens.rotate(token)));

const told = (type: string, sid: string) =>
  [...node.events, ...other.events].filter((event) => event.type === type && event.sid === sid).length;

async function rowOf(sid: string): Promise<{ generation: number; reason: string | null }> {
  const sql = 'select generation, revocation_reason as reason from refresh_token where family_id = $1';
  return (await database.query<{ generation: number; reason: string | null }>(sql, [sid]))[0]!;
}

const code = (error: unknown) => (error as { code?: string }).code;

test('a storm on one token is one rotation, one successor, and a handful of connections', async () => {
  const { refreshToken, sid } = await node.tokens.issue('alice');
  const [pairs, connections] = await counted(() => storm(refreshToken));
  expect(new Set(pairs.map((pair) => pair.refreshToken)).size).toBe(1);
  expect(new Set(pairs.map((pair) => pair.accessToken)).size).toBe(STORM);
  expect(told('rotated', sid)).toBe(1);
  expect(told('retried', sid)).toBe(STORM - 1);
  expect(await rowOf(sid)).toEqual({ generation: 1, reason: null });
  // The rotation, the first look, and the one that all others share.
  expect(connections).toBeLessThanOrEqual(4);
});

test('a storm on a consumed token beside its successor costs no more, and on two nodes rotates once', async () => {
  const first = await node.tokens.issue('alice');
  const second = await node.tokens.rotate(first.refreshToken);
  const [pairs, connections] = await counted(async () =>
    (await Promise.all([storm(first.refreshToken), storm(second.refreshToken)])).flat(),
  );
  expect(new Set(pairs.map((pair) => pair.refreshToken))).toEqual(new Set([second.refreshToken]));
  expect(await rowOf(first.sid)).toEqual({ generation: 1, reason: null });
  expect(connections).toBeLessThanOrEqual(8);
  await database.passTime(LEEWAY + 1);
  const both = (await Promise.all([storm(second.refreshToken), storm(second.refreshToken, other)])).flat();
  expect(new Set(both.map((pair) => pair.refreshToken)).size).toBe(1);
  expect(both[0]!.refreshToken).not.toBe(second.refreshToken);
  expect(await rowOf(first.sid)).toEqual({ generation: 2, reason: null });
});

test('a storm on a grandparent ends its family once, for little', async () => {
  const first = await node.tokens.issue('alice');
  const second = await node.tokens.rotate(first.refreshToken);
  await database.passTime(LEEWAY + 1);
  const third = await node.tokens.rotate(second.refreshToken);
  const attempts = () => Array.from({ length: STORM }, () => node.tokens.rotate(first.refreshToken));
  const [outcomes, connections] = await counted(() => Promise.allSettled(attempts()));
  const reasons = outcomes.map(
    (each) => each.status === 'rejected' && each.reason instanceof InvalidGrantError,
  );
  expect(new Set(reasons)).toEqual(new Set([true]));
  expect(told('reused', first.sid)).toBe(1);
  await expect(node.tokens.rotate(third.refreshToken)).rejects.toThrow(InvalidGrantError);
  expect(connections).toBeLessThanOrEqual(8);
});

/** A session with a grandparent, its parent, and the current token, which may rotate. */
async function threeTokens(): Promise<{ sid: string; grandparent: string; current: string }> {
  const first = await node.tokens.issue('alice');
  const second = await node.tokens.rotate(first.refreshToken);
  await database.passTime(LEEWAY + 1);
  const third = await node.tokens.rotate(second.refreshToken);
  await database.passTime(LEEWAY + 1);
  return { sid: first.sid, grandparent: first.refreshToken, current: third.refreshToken };
}

/** Runs `work` while a transaction of somebody else's holds the row. */
async function withRowLocked<T>(sid: string, work: () => Promise<T>): Promise<T> {
  const source = await database.connect();
  return source.transaction(async (manager) => {
    await manager.query('select 1 from refresh_token where family_id = $1 for update', [sid]);
    return work();
  });
}

test('a storm on a grandparent whose row is locked ends its family once, when the lock is gone', async () => {
  const { sid, grandparent } = await threeTokens();
  const waiting = `select 1 from pg_locks where not granted and locktype in ('tuple', 'transactionid')`;
  const [, connections] = await counted(async () => {
    const ended = await withRowLocked(sid, async () => {
      const attempts = Array.from({ length: STORM }, () => node.tokens.rotate(grandparent));
      const all = Promise.allSettled(attempts);
      while ((await database.query(waiting)).length === 0);
      // Long enough for all of them to have looked.
      for (let trips = 0; trips < 50; trips++) await database.query('select 1');
      return { all };
    });
    await ended.all;
  });
  expect(told('reused', sid)).toBe(1);
  expect(connections).toBeLessThanOrEqual(8);
});

test.each<[name: 'current' | 'grandparent', connections: number]>([
  // The rotation alone.
  ['current', 1],
  // The rotation, the first look, the one that all others share, and the end of the family.
  ['grandparent', 4],
])(
  'a storm on a %s token whose row stays locked is told so after one lock time-out, and spends nothing',
  async (name, expected) => {
    const tokens = await threeTokens();
    const attempts = () => Array.from({ length: STORM }, () => node.tokens.rotate(tokens[name]));
    const [outcomes, connections] = await counted(() =>
      withRowLocked(tokens.sid, () => Promise.allSettled(attempts())),
    );
    const refused = outcomes.filter(
      (each) => each.status === 'rejected' && each.reason instanceof UnavailableError,
    );
    expect(refused).toHaveLength(STORM);
    // Each of them waits for as long as a lock may take: one more, and somebody has waited twice.
    expect(connections).toBe(expected);
    expect(await rowOf(tokens.sid)).toEqual({ generation: 2, reason: null });
    expect(new Set((await storm(tokens.current)).map(({ sid }) => sid))).toEqual(new Set([tokens.sid]));
  },
);

test('a storm by another client keeps nobody from spending their own token', async () => {
  for (let round = 0; round < 30; round++) {
    const { refreshToken } = await node.tokens.issue('alice');
    const codes = new Set<unknown>();
    const over = new AbortController();
    const strangers = Array.from({ length: 10 }, async (_, n) => {
      for (let trips = n % 4; trips > 0; trips--) await database.query('select 1');
      while (!over.signal.aborted)
        await node.tokens
          .rotate(refreshToken, { clientId: 'stranger' })
          .catch((error: unknown) => codes.add(code(error)));
    });
    await database.query('select 1');
    const [own] = await Promise.allSettled([node.tokens.rotate(refreshToken)]);
    over.abort();
    await Promise.all(strangers);
    expect(own.status).toBe('fulfilled');
    expect([...codes]).toEqual(['ERR_REFRESH_TOKEN_CLIENT_MISMATCH']);
  }
});

test('a storm of requests of many keys costs no more than one without', async () => {
  const { refreshToken, sid } = await node.tokens.issue('alice');
  const [pairs, connections] = await counted(() =>
    Promise.all(
      Array.from({ length: STORM }, (_, n) =>
        node.tokens.rotate(refreshToken, { idempotencyKey: `key-of-attempt-${n}` }),
      ),
    ),
  );
  expect(new Set(pairs.map((pair) => pair.refreshToken)).size).toBe(1);
  expect(told('rotated', sid)).toBe(1);
  expect(connections).toBeLessThanOrEqual(4);
});

test('a late replay that shares a reading with an honest retry is judged by its own arrival', async () => {
  const { refreshToken, sid } = await node.tokens.issue('alice');
  const { refreshToken: successor } = await node.tokens.rotate(refreshToken);
  await database.passTime(LEEWAY + 1);
  const arrivedInTime = { receivedAt: performance.now() - 5000 };
  // The first takes the statement and a reading for itself; those behind it share the next one.
  const honest = [1, 2, 3].map(() => node.tokens.rotate(refreshToken, arrivedInTime));
  const thief = node.tokens.rotate(refreshToken);
  const [outcome] = await Promise.allSettled([thief]);
  expect(outcome.status === 'rejected' && code(outcome.reason)).toBe('ERR_REFRESH_TOKEN_REUSED');
  for (const pair of await Promise.all(honest)) expect(pair.refreshToken).toBe(successor);
  expect(await rowOf(sid)).toEqual({ generation: 1, reason: 'reuse' });
});

test('a refresh that shares a reading and starts after its session has ended is refused', async () => {
  for (let round = 0; round < 50; round++) {
    const { refreshToken, sid } = await node.tokens.issue('alice');
    await node.tokens.rotate(refreshToken);
    const before = Array.from({ length: 20 }, () => node.tokens.rotate(refreshToken).catch(code));
    await other.tokens.revoke(sid);
    const after = await Promise.allSettled([1, 2, 3].map(() => node.tokens.rotate(refreshToken)));
    expect(after.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    await Promise.all(before);
  }
});

test('R33 no answer goes to another one: two users, a thousand refreshes each, at once', async () => {
  const logins = await Promise.all(['alice', 'bob'].map((subject) => node.tokens.issue(subject)));
  const answers = await Promise.all(
    Array.from({ length: 2000 }, async (_, n) => {
      const { refreshToken, sid } = logins[n % 2]!;
      const pair = await node.tokens.rotate(refreshToken);
      const [, payload] = pair.accessToken.split('.');
      const claims = JSON.parse(Buffer.from(payload!, 'base64url').toString()) as {
        sub: string;
        sid: string;
      };
      return pair.sid === sid && claims.sid === sid && claims.sub === ['alice', 'bob'][n % 2];
    }),
  );
  expect(answers.filter(Boolean)).toHaveLength(2000);
});
