import type { ClaimsProvider } from 'nestjs-token-family';
import { createDatabase, type TestDatabase } from './support/database.js';
import { me, refresh } from './support/http.js';
import { options, startNode, type TestNode } from './support/node.js';

let database: TestDatabase;
let node: TestNode;
let provider: ClaimsProvider;
const longestClientId = 'c'.repeat(255);
beforeAll(async () => {
  database = await createDatabase();
  const settings = options({ clients: [{ id: longestClientId }], claims: (request) => provider(request) });
  node = await startNode({ url: database.url, options: settings });
});
afterAll(async () => {
  await node.close();
  await database.drop();
});

const circular: Record<string, unknown> = {};
circular['self'] = circular;

test.each<[string, Record<string, unknown>]>([
  ['a bigint', { id: 10n }],
  ['a circle', circular],
  ['more bytes than characters', { note: '語'.repeat(1000) }],
  ['more than a token holds', { roles: Array.from({ length: 700 }, (_, n) => `role-${n}`) }],
])('an answer with %s is an outage that spends nothing', async (_, claims) => {
  provider = () => ({});
  const pair = await node.tokens.issue('alice');
  provider = () => claims;
  const answer = await refresh(node, pair.refreshToken);
  expect(answer.status).toBe(503);
  expect(answer.headers.get('retry-after')).toBe('1');
  await database.passTime(3600);
  provider = () => ({});
  expect((await refresh(node, pair.refreshToken)).status).toBe(200);
  expect(node.events.some(({ type, sid }) => type === 'reused' && sid === pair.sid)).toBe(false);
});

test('claims of a login that no token can hold are a programming mistake, and no login', async () => {
  provider = () => ({});
  await expect(node.tokens.issue('bob', { claims: { id: 10n } })).rejects.toThrow(TypeError);
  await expect(node.tokens.issue('bob', { claims: { text: 'x'.repeat(5000) } })).rejects.toThrow(TypeError);
  expect(await node.tokens.sessions('bob')).toEqual([]);
});

test('the largest claims that are taken make a token that is accepted', async () => {
  provider = () => ({ text: 'x'.repeat(2048 - '{"text":""}'.length) });
  const longest = '語'.repeat(255);
  const login = { clientId: longestClientId, scope: 'x'.repeat(512) };
  const { accessToken } = await node.tokens.issue(longest, login);
  expect((await me(node, accessToken)).status).toBe(200);
});

test('a refresh that asks for less scope asks for the claims of that scope', async () => {
  provider = ({ scope }) => ({ permissions: scope?.split(' ') });
  const pair = await node.tokens.issue('alice', { scope: 'read write' });
  const permissionsOf = async (token: string) => (await me(node, token)).body['permissions'];
  expect(await permissionsOf(pair.accessToken)).toEqual(['read', 'write']);
  const narrow = await node.tokens.rotate(pair.refreshToken, { scope: 'read' });
  expect(await permissionsOf(narrow.accessToken)).toEqual(['read']);
  await database.passTime(60);
  const full = await node.tokens.rotate(narrow.refreshToken);
  expect(await permissionsOf(full.accessToken)).toEqual(['read', 'write']);
});

test('claims are asked for at every refresh, and never replace our own', async () => {
  provider = () => ({ role: 'admin', sub: 'mallory', exp: 1 });
  const pair = await node.tokens.issue('alice', { claims: { team: 'blue' } });
  expect((await me(node, pair.accessToken)).body).toMatchObject({
    sub: 'alice',
    role: 'admin',
    team: 'blue',
  });
  provider = () => ({ role: 'guest' });
  const rotated = await refresh(node, pair.refreshToken);
  const { body } = await me(node, String(rotated.body['access_token']));
  expect(body).toMatchObject({ sub: 'alice', role: 'guest', team: 'blue' });
});

test('a subject that is refused at login gets no session', async () => {
  provider = () => null;
  await expect(node.tokens.issue('carol')).rejects.toMatchObject({
    error: 'invalid_grant',
    code: 'ERR_SUBJECT_REFUSED',
  });
  expect(await node.tokens.sessions('carol')).toEqual([]);
});
