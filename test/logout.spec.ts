import { randomUUID } from 'node:crypto';
import type { TokenPair } from 'nestjs-token-family';
import { me, refresh, send } from './support/http.js';
import { options } from './support/node.js';
import { onBothAdapters } from './support/on-both-adapters.js';

onBothAdapters({ options: options({ clients: [{ id: 'mobile' }] }) }, (fixture) => {
  const url = (path: string): string => `${fixture.node.url}/auth/${path}`;
  const bearer = (pair: TokenPair): Record<string, string> => ({
    authorization: `Bearer ${pair.accessToken}`,
  });
  const login = (subject: string): Promise<TokenPair> =>
    fixture.node.tokens.issue(subject, { device: { name: 'phone' } });
  const isAlive = async (pair: TokenPair): Promise<boolean[]> => [
    (await me(fixture.node, pair.accessToken)).status === 200,
    (await refresh(fixture.node, pair.refreshToken)).status === 200,
  ];

  test('logout by refresh token ends its session, whichever generation it is of', async () => {
    const pair = await login(randomUUID());
    const rotated = await refresh(fixture.node, pair.refreshToken);
    const answer = await send(url('logout'), { json: { refresh_token: pair.refreshToken } });
    expect(answer.status).toBe(204);
    expect((await refresh(fixture.node, rotated.body['refresh_token'])).body['error']).toBe('invalid_grant');
    expect(fixture.node.events.at(-1)).toMatchObject({ type: 'revoked', sid: pair.sid, reason: 'logout' });
  });

  test('logout by access token ends its session', async () => {
    const pair = await login(randomUUID());
    expect((await send(url('logout'), { method: 'POST', headers: bearer(pair) })).status).toBe(204);
    expect(await isAlive(pair)).toEqual([false, false]);
  });

  test('a token that is of no use has nothing to end', async () => {
    const answer = await send(url('logout'), { json: { refresh_token: 'rt1_nonsense' } });
    expect(answer.status).toBe(204);
  });

  test('a client that names itself cannot log the session of another out, and is told', async () => {
    const pair = await login(randomUUID());
    const json = { refresh_token: pair.refreshToken, client_id: 'another' };
    expect((await send(url('logout'), { json })).body['error']).toBe('invalid_grant');
    expect(await isAlive(pair)).toEqual([true, true]);
  });

  test('whoever holds a token of a session may end it without naming the client', async () => {
    const pair = await fixture.node.tokens.issue(randomUUID(), { clientId: 'mobile' });
    expect((await send(url('logout'), { json: { refresh_token: pair.refreshToken } })).status).toBe(204);
    expect((await me(fixture.node, pair.accessToken)).status).toBe(401);
  });

  test('a refresh token that ends nothing leaves it to the access token beside it', async () => {
    const pair = await login(randomUUID());
    const json = { refresh_token: 'rt1_stale' };
    expect((await send(url('logout'), { json, headers: bearer(pair) })).status).toBe(204);
    expect(await isAlive(pair)).toEqual([false, false]);
  });

  test('an access token that is of no use does not hinder a logout by refresh token', async () => {
    const pair = await login(randomUUID());
    const headers = { authorization: 'Bearer expired.or.other' };
    expect((await send(url('logout'), { json: { refresh_token: 'rt1_stale' }, headers })).status).toBe(204);
    const json = { refresh_token: pair.refreshToken };
    expect((await send(url('logout'), { json, headers })).status).toBe(204);
    expect(await isAlive(pair)).toEqual([false, false]);
  });

  test('logout without a token is an invalid request', async () => {
    const answer = await send(url('logout'), { json: {} });
    expect(answer.status).toBe(400);
    expect(answer.body['error']).toBe('invalid_request');
  });
});

describe('where cookies alone are taken', () => {
  const { keys } = options().refreshToken;
  onBothAdapters({ options: options({ refreshToken: { keys, carrier: 'cookie' } }) }, (fixture) => {
    test('an access token ends its session without any', async () => {
      const { accessToken } = await fixture.node.tokens.issue(randomUUID());
      const headers = { authorization: `Bearer ${accessToken}` };
      const url = `${fixture.node.url}/auth/logout`;
      expect((await send(url, { method: 'POST', headers })).status).toBe(204);
      expect((await me(fixture.node, accessToken)).status).toBe(401);
    });

    test('a refresh token in the body is refused, and ends nothing', async () => {
      const { accessToken, refreshToken } = await fixture.node.tokens.issue(randomUUID());
      const url = `${fixture.node.url}/auth/logout`;
      const bearers = [{}, { authorization: `Bearer ${accessToken}` }];
      for (const headers of bearers) {
        const answer = await send(url, { json: { refresh_token: refreshToken }, headers });
        expect([answer.status, answer.body['error']]).toEqual([400, 'invalid_request']);
      }
      expect((await me(fixture.node, accessToken)).status).toBe(200);
    });
  });
});
