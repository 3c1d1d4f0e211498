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

  describe('that says which session it means', () => {
    const logout = async (json: object, headers: Record<string, string> = {}): Promise<unknown[]> => {
      const { status, body } = await send(url('logout'), { json, headers });
      return [status, body?.['error']];
    };
    const ENDED = [204, undefined];
    const MISMATCH = [409, 'session_mismatch'];

    test('ends that one by a token of it, whichever generation it is of', async () => {
      const pair = await login(randomUUID());
      await refresh(fixture.node, pair.refreshToken);
      expect(await logout({ refresh_token: pair.refreshToken, sid: pair.sid })).toEqual(ENDED);
      expect(await isAlive(pair)).toEqual([false, false]);
    });

    test.each([
      ['another session', (other: TokenPair) => other.sid],
      ['none at all', () => ''],
    ])('ends nothing by a token of its own when it means %s', async (_, meant) => {
      const [pair, other] = [await login(randomUUID()), await login(randomUUID())];
      const sid = meant(other);
      expect(await logout({ refresh_token: pair.refreshToken, sid })).toEqual(MISMATCH);
      expect(await logout({ refresh_token: pair.accessToken, sid })).toEqual(MISMATCH);
      expect(await logout({ sid }, bearer(pair))).toEqual(MISMATCH);
      expect(await logout({ refresh_token: 'rt1_stale', sid }, bearer(pair))).toEqual(MISMATCH);
      expect(await logout({ refresh_token: pair.refreshToken, sid }, bearer(pair))).toEqual(MISMATCH);
      expect(await isAlive(pair)).toEqual([true, true]);
      expect(await isAlive(other)).toEqual([true, true]);
    });

    test('ends it by the access token of it, and not that of the refresh token beside', async () => {
      const [pair, other] = [await login(randomUUID()), await login(randomUUID())];
      const json = { refresh_token: other.refreshToken, sid: pair.sid };
      expect(await logout(json, bearer(pair))).toEqual(ENDED);
      expect(await isAlive(pair)).toEqual([false, false]);
      expect(await isAlive(other)).toEqual([true, true]);
    });

    test('is told that nothing was ended where the access token is of no use either', async () => {
      const [pair, other] = [await login(randomUUID()), await login(randomUUID())];
      const headers = { authorization: 'Bearer expired.or.other' };
      expect(await logout({ refresh_token: other.refreshToken, sid: pair.sid }, headers)).toEqual(MISMATCH);
      expect(await isAlive(other)).toEqual([true, true]);
    });

    test('has nothing to end by a token that is of no use', async () => {
      expect(await logout({ refresh_token: 'rt1_nonsense', sid: randomUUID() })).toEqual(ENDED);
    });

    test('says it as a text, or is refused', async () => {
      const pair = await login(randomUUID());
      expect(await logout({ sid: [pair.sid] }, bearer(pair))).toEqual([400, 'invalid_request']);
      expect(await isAlive(pair)).toEqual([true, true]);
    });
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
