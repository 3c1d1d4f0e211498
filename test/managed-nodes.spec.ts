import { randomBytes } from 'node:crypto';
import { decodeProtectedHeader } from 'jose';
import { ConfigError, SigningKeyService, type TokenFamilyOptions } from 'nestjs-token-family';
import { createDatabase, type TestDatabase } from './support/database.js';
import { me, refresh, send } from './support/http.js';
import { baseOptions, startNode, type Adapter, type TestNode } from './support/node.js';

const encryptionKey = { id: 1, secret: randomBytes(32) };

const managed = (secret = encryptionKey): TokenFamilyOptions => ({
  ...baseOptions,
  accessToken: { managedKeys: { encryptionKeys: [secret] } },
  revocation: { pollInterval: 0.05 },
});

let database: TestDatabase;
let nodes: TestNode[];
beforeAll(async () => {
  database = await createDatabase();
  const start = (adapter: Adapter) => startNode({ url: database.url, adapter, options: managed() });
  nodes = await Promise.all([start('express'), start('fastify')]);
});
afterAll(async () => {
  await Promise.all((nodes ?? []).map((node) => node.close()));
  await database.drop();
});

const kidOf = (token: string): string => decodeProtectedHeader(token).kid!;

async function publishedBy(node: TestNode): Promise<string[]> {
  const { body } = await send(`${node.url}/.well-known/jwks.json`);
  return (body['keys'] as { kid: string }[]).map(({ kid }) => kid);
}

/** Asks until the answer is as wanted, or a poll and a second have passed. */
async function soon(asks: () => Promise<boolean>): Promise<boolean> {
  for (const end = Date.now() + 1_050; Date.now() < end;) if (await asks()) return true;
  return asks();
}

test('nodes that start at once on an empty table have one key, and publish it', async () => {
  const [one, two] = nodes as [TestNode, TestNode];
  const tokens = [await one.tokens.issue('alice'), await two.tokens.issue('bob')];
  expect(new Set(tokens.map(({ accessToken }) => kidOf(accessToken))).size).toBe(1);
  expect(await publishedBy(one)).toEqual([kidOf(tokens[0]!.accessToken)]);
  expect(await publishedBy(two)).toEqual(await publishedBy(one));
  expect((await me(two, tokens[0]!.accessToken)).status).toBe(200);
});

test('the next key is in every JWKS before it signs', async () => {
  const [one, two] = nodes as [TestNode, TestNode];
  const before = kidOf((await one.tokens.issue('alice')).accessToken);
  const next = await one.get(SigningKeyService).rotate();
  expect(next.state).toBe('pending');
  expect(await publishedBy(one)).toContain(next.kid);
  expect(await soon(async () => (await publishedBy(two)).includes(next.kid))).toBe(true);
  expect(kidOf((await two.tokens.issue('alice')).accessToken)).toBe(before);
});

test('a revoked key is refused on every node like a revoked session, and sessions live on', async () => {
  const [one, two] = nodes as [TestNode, TestNode];
  const pair = await one.tokens.issue('alice');
  const kid = kidOf(pair.accessToken);
  expect((await me(two, pair.accessToken)).status).toBe(200);
  expect(await one.get(SigningKeyService).revoke(kid)).toBe(true);
  expect((await me(one, pair.accessToken)).status).toBe(401);
  expect(await soon(async () => (await me(two, pair.accessToken)).status === 401)).toBe(true);
  expect(await publishedBy(two)).not.toContain(kid);
  const refreshed = await refresh(two, pair.refreshToken);
  expect(refreshed.status).toBe(200);
  const token = String(refreshed.body['access_token']);
  expect(kidOf(token)).not.toBe(kid);
  expect((await me(one, token)).status).toBe(200);
});

test('a wrong key-encryption key stops the start, loudly, and changes nothing', async () => {
  const before = await database.query('select * from signing_key order by kid');
  const start = startNode({ url: database.url, options: managed({ id: 1, secret: randomBytes(32) }) });
  await expect(start).rejects.toThrow(ConfigError);
  await expect(start).rejects.toThrow(/accessToken\.managedKeys\.encryptionKeys/);
  expect(await database.query('select * from signing_key order by kid')).toEqual(before);
});

test('a node that has lost its keys refuses to spend a token: 503, and the token is good afterwards', async () => {
  const node = await startNode({ url: database.url, options: managed() });
  try {
    const pair = await node.tokens.issue('alice');
    const { KeyRing } = await import('../libs/auth/src/jwt/key-ring.js');
    const ring = node.get(KeyRing);
    const { keys, active } = ring;
    ring.replace(keys);
    const answer = await refresh(node, pair.refreshToken);
    expect({ status: answer.status, retry: answer.headers.get('retry-after') }).toEqual({
      status: 503,
      retry: '1',
    });
    const [row] = await database.query<{ generation: number }>(
      'select generation from refresh_token where family_id = $1',
      [pair.sid],
    );
    expect(row!.generation).toBe(0);
    ring.replace(keys, active);
    expect((await refresh(node, pair.refreshToken)).status).toBe(200);
  } finally {
    await node.close();
  }
});
