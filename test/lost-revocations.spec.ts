import { InvalidGrantError } from 'nestjs-token-family';
import { RevocationCheck } from '../libs/auth/src/core/revocation-ports.js';
import type { RevocationFeed } from '../libs/auth/src/revocation/revocation.feed.js';
import { createDatabase, type TestDatabase } from './support/database.js';
import { options, startNode, type TestNode } from './support/node.js';
import { soon } from './support/wire.js';

let database: TestDatabase;
let node: TestNode;
beforeAll(async () => {
  database = await createDatabase();
  const revocation = { pollInterval: '60s', maxStaleness: '120s', listen: false };
  node = await startNode({ url: database.url, options: options({ revocation }) });
});
afterAll(async () => {
  await node.close();
  await database.drop();
});

/** What a failover to a standby that lacked the last commits leaves of a revocation. */
function loseRevocation(sid: string): Promise<unknown> {
  const sql =
    'update refresh_token set revoked_at = null, revocation_reason = null where family_id = $1 returning 1';
  return database.query(sql, [sid]);
}

async function reasonOf(sid: string): Promise<string | null> {
  const sql = 'select revocation_reason as reason from refresh_token where family_id = $1';
  return (await database.query<{ reason: string | null }>(sql, [sid]))[0]!.reason;
}

/** Reads the whole window, as a node does every maxStaleness and after it has lost the database. */
async function readAll(): Promise<void> {
  const feed = node.get(RevocationCheck as never) as RevocationFeed;
  const clock = jest.spyOn(performance, 'now').mockReturnValue(performance.now() + 121_000);
  try {
    await feed.refresh();
  } finally {
    clock.mockRestore();
  }
}

test('a session this node knows to be revoked stays dead, though the database has forgotten the revocation', async () => {
  const pair = await node.tokens.issue('alice');
  await node.tokens.revoke(pair.sid);
  await loseRevocation(pair.sid);
  const refusal = await node.tokens.rotate(pair.refreshToken).catch((error: unknown) => error);
  expect(refusal).toBeInstanceOf(InvalidGrantError);
  expect(refusal).toMatchObject({ code: 'ERR_REFRESH_TOKEN_REVOKED' });
  expect(await node.tokens.isAlive(pair.sid)).toBe(false);
  for (const token of [pair.refreshToken, pair.accessToken]) {
    expect(await node.tokens.introspect(token)).toEqual({ active: false });
  }
});

test('and is revoked again by the next whole reading, and told of as restored', async () => {
  const [lost, kept, alive] = await Promise.all(['a', 'b', 'c'].map((subject) => node.tokens.issue(subject)));
  for (const { sid } of [lost!, kept!]) await node.tokens.revoke(sid);
  await loseRevocation(lost!.sid);
  await readAll();
  expect(await soon(async () => (await reasonOf(lost!.sid)) === 'restored')).toBe(true);
  expect(await reasonOf(kept!.sid)).toBe('logout');
  expect(await reasonOf(alive!.sid)).toBeNull();
  const told = () => node.events.filter((event) => event.type === 'revoked' && event.reason === 'restored');
  expect(await soon(() => told().some(({ sid }) => sid === lost!.sid))).toBe(true);
});
