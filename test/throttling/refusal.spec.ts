import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import { Reflector } from '@nestjs/core';
import type { TokenPair } from 'nestjs-token-family';
import { TokenThrottlerGuard } from 'nestjs-token-family/throttler';
import { refresh, send, type Answer } from '../support/http.js';
import { refreshTokenKey } from '../support/node.js';
import { KeptStorage, startThrottledNode, type ThrottledNode } from './throttled-node.js';

const LIMIT = 5;
const limited = (...names: string[]) => names.map((name) => ({ name, ttl: 60_000, limit: LIMIT }));
const statuses = (answers: readonly Answer[]) => answers.map(({ status }) => status);

/** One after the other, so often. */
async function repeat(times: number, once: () => Promise<Answer>): Promise<Answer[]> {
  const answers: Answer[] = [];
  for (let time = 0; time < times; time++) answers.push(await once());
  return answers;
}

describe.each(['express', 'fastify'] as const)('on %s', (adapter) => {
  let node: ThrottledNode;
  let pair: TokenPair;
  beforeAll(async () => {
    const throttlers = limited('family', 'subject', 'address').map((each) => ({ ...each, setHeaders: true }));
    node = await startThrottledNode({ adapter, throttlers, trustProxy: true });
  });
  afterAll(() => node?.close());
  beforeEach(async () => {
    node.storage.clear();
    pair = await node.tokens.issue('alice');
  });

  test('beyond the limit the answer is 429, in our form, with Retry-After', async () => {
    await repeat(LIMIT, () => refresh(node, pair.refreshToken));
    const { status, headers, body } = await refresh(node, pair.refreshToken);
    expect(status).toBe(429);
    expect(body).toEqual({
      error: 'temporarily_unavailable',
      error_description: 'Too many requests; try again later',
    });
    expect(headers.get('retry-after')).toMatch(/^[1-9]\d?$/);
    expect(headers.get('cache-control')).toBe('no-store');
  });

  test('no answer is a clock of what others of the session, or of the name, have done', async () => {
    let count = 0;
    const elsewhere = () => ({ 'x-forwarded-for': `192.0.2.${++count}` });
    const login = () => send(`${node.url}/login`, { json: { username: 'alice' }, headers: elsewhere() });
    const own = () =>
      send(`${node.url}/me`, { headers: { authorization: `Bearer ${pair.accessToken}`, ...elsewhere() } });
    for (const ask of [() => refresh(node, pair.refreshToken), login, own]) {
      const answers = await repeat(LIMIT + 1, ask);
      expect(statuses(answers)).toEqual([...Array.from({ length: LIMIT }, () => 200), 429]);
      const names = answers.flatMap(({ headers }) => [...headers.keys()]);
      expect(names.filter((name) => /family|subject/.test(name))).toEqual([]);
      expect(answers.at(-1)!.headers.get('retry-after')).toMatch(/^[1-9]\d?$/);
    }
    const { headers } = await send(`${node.url}/login`, { json: {} });
    expect(headers.get('x-ratelimit-limit-address')).toBe(String(LIMIT));
  });

  test('it takes no cookie away and spends nothing', async () => {
    const cookie = `__Host-refresh_token=${pair.refreshToken}.${'k'.repeat(22)}`;
    const headers = { 'x-token-carrier': 'cookie', cookie };
    node.storage.block(`family ${pair.sid} 127.0.0.1`);
    for (const path of ['/auth/refresh', '/auth/logout']) {
      const answer = await send(`${node.url}${path}`, { headers, method: 'POST' });
      expect([answer.status, answer.headers.get('set-cookie')]).toEqual([429, null]);
    }
    node.storage.clear();
    expect((await refresh(node, pair.refreshToken)).status).toBe(200);
  });

  test('a session at its limit is no hindrance to another one, at the same address', async () => {
    await repeat(LIMIT + 1, () => refresh(node, pair.refreshToken));
    const other = await node.tokens.issue('alice');
    expect(statuses(await repeat(LIMIT, () => refresh(node, other.refreshToken)))).toEqual(
      Array.from({ length: LIMIT }, () => 200),
    );
  });

  test('nobody uses up what a session has without a token of it', async () => {
    const last = pair.refreshToken.at(-1) === 'A' ? 'B' : 'A';
    const forged = `${pair.refreshToken.slice(0, -1)}${last}`;
    const answers = await repeat(LIMIT * 4, () => refresh(node, forged));
    expect(statuses(answers).filter((status) => status === 429)).toHaveLength(LIMIT * 3);
    await repeat(LIMIT, () => send(`${node.url}/auth/refresh`, { json: { sid: pair.sid } }));
    expect((await refresh(node, pair.refreshToken)).status).toBe(200);
  });

  test('guessing at one name is limited, and a name tried by others keeps nobody from refreshing', async () => {
    const login = (username: string) => send(`${node.url}/login`, { json: { username } });
    expect(statuses(await repeat(LIMIT + 1, () => login('alice'))).at(-1)).toBe(429);
    expect((await refresh(node, pair.refreshToken)).status).toBe(200);
  });

  test('a storage that is broken is 503 with Retry-After', async () => {
    node.storage.isBroken = true;
    const { status, headers, body } = await refresh(node, pair.refreshToken);
    node.storage.isBroken = false;
    expect([status, headers.get('retry-after'), body['error']]).toEqual([
      503,
      '1',
      'temporarily_unavailable',
    ]);
    expect((await refresh(node, pair.refreshToken)).status).toBe(200);
  });
});

test.each(['express', 'fastify'] as const)(
  'a thief who floods keeps nobody from being judged, and the theft from being found: on %s',
  async (adapter) => {
    const node = await startThrottledNode({
      adapter,
      throttlers: limited('family', 'subject', 'address'),
      trustProxy: true,
      changes: { refreshToken: { keys: [refreshTokenKey], leeway: 0 } },
    });
    const pair = await node.tokens.issue('alice');
    const thief = { 'x-forwarded-for': '203.0.113.9', authorization: `Bearer ${pair.accessToken}` };
    const taken = await refresh(node, pair.refreshToken, thief);
    // Of another session than it names: it is refused before it is judged, and ends nothing.
    const json = { refresh_token: pair.refreshToken, sid: 'another' };
    const flood = () => send(`${node.url}/auth/refresh`, { json, headers: thief });
    expect(statuses(await repeat(LIMIT, flood)).at(-1)).toBe(429);
    const owner = await refresh(node, pair.refreshToken, { authorization: thief.authorization });
    expect([owner.status, owner.body['error']]).toEqual([400, 'invalid_grant']);
    const last = String(taken.body['refresh_token']);
    expect((await refresh(node, last)).body['error']).toBe('invalid_grant');
    await node.close();
  },
);

test.each(['rpc', 'ws', 'graphql'])('a message of kind %s passes uncounted', async (kind) => {
  const storage = new KeptStorage();
  storage.isBroken = true;
  const guard = new TokenThrottlerGuard(limited('family', 'default'), storage, new Reflector());
  await guard.onModuleInit();
  const context = new ExecutionContextHost([undefined, undefined], class {}, () => {});
  context.setType(kind);
  expect(await guard.canActivate(context)).toBe(true);
  context.setType('http');
  await expect(guard.canActivate(context)).rejects.toThrow(TypeError);
});
