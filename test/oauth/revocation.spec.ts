import { createDatabase } from '../support/database.js';
import { me, type Answer } from '../support/http.js';
import { startNode } from '../support/node.js';
import { onBothAdapters } from '../support/on-both-adapters.js';
import { soon } from '../support/wire.js';
import {
  BACKEND,
  basicOf,
  INVALID_GRANT,
  OAuth,
  oauthOptions,
  oauthSettings,
  PARTNER,
  WEB,
} from './fixture.js';

onBothAdapters(oauthSettings, (fixture) => {
  const oauth = new OAuth(fixture);

  function expectDone(answer: Answer): void {
    expect([answer.status, answer.body]).toEqual([200, undefined]);
    expect(answer.headers.get('cache-control')).toBe('no-store');
  }

  test.each(['current', 'consumed', 'older'])(
    'a %s refresh token ends its family, and the access tokens with it (S7)',
    async (which) => {
      const first = await oauth.login();
      const second = (await oauth.refresh(first.refreshToken)).body;
      await oauth.passTime(11);
      const third = (await oauth.refresh(second['refresh_token'])).body;
      const token = { current: third, consumed: second, older: { refresh_token: first.refreshToken } }[
        which
      ]!;
      expectDone(await oauth.revoke(String(token['refresh_token'])));
      expect(await oauth.reasonOf(first.sid)).toBe('logout');
      expect((await oauth.refresh(third['refresh_token'])).body).toEqual(INVALID_GRANT);
      for (const accessToken of [first.accessToken, second['access_token'], third['access_token']]) {
        expect((await me(fixture.node, String(accessToken))).status).toBe(401);
      }
    },
  );

  test('an access token ends its session, too', async () => {
    const { accessToken, refreshToken, sid } = await oauth.login();
    expectDone(await oauth.revoke(accessToken));
    expect(await oauth.reasonOf(sid)).toBe('logout');
    expect((await me(fixture.node, accessToken)).status).toBe(401);
    expect((await oauth.refresh(refreshToken)).body).toEqual(INVALID_GRANT);
  });

  test.each(['refresh_token', 'access_token', 'nonsense', ''])(
    'token_type_hint %j is only a hint',
    async (token_type_hint) => {
      const [one, two] = [await oauth.login(), await oauth.login()];
      expectDone(await oauth.revoke(one.refreshToken, { ...WEB, token_type_hint }));
      expectDone(await oauth.revoke(two.accessToken, { ...WEB, token_type_hint }));
      expect([await oauth.reasonOf(one.sid), await oauth.reasonOf(two.sid)]).toEqual(['logout', 'logout']);
    },
  );

  test('what is no token, or none any more, is done at once, and nothing is written (S6)', async () => {
    for (const client of [WEB, BACKEND]) {
      const [ended, living] = [await oauth.login(client.client_id), await oauth.login(client.client_id)];
      await fixture.node.tokens.revoke(ended.sid);
      const altered = [living.refreshToken, living.accessToken].map((token) => `${token.slice(0, -2)}AA`);
      const before = await oauth.rows();
      for (const token of ['garbage', 'rt1_', '\0', ended.refreshToken, ended.accessToken, ...altered]) {
        expectDone(await oauth.revoke(token, client));
      }
      expect(await oauth.rows()).toEqual(before);
    }
  });

  describe("another client's token", () => {
    const tokens = async (): Promise<string[]> => {
      const { refreshToken, accessToken } = await oauth.login('partner');
      const next = (await oauth.refresh(refreshToken, PARTNER)).body;
      return [refreshToken, accessToken, String(next['refresh_token']), String(next['access_token'])];
    };

    test('is an invalid grant to a client that has proved who it is, and lives', async () => {
      for (const token of await tokens()) {
        const before = await oauth.rows();
        const answer = await oauth.revoke(token, BACKEND);
        expect([answer.status, answer.body]).toEqual([400, INVALID_GRANT]);
        expect(await oauth.rows()).toEqual(before);
      }
    });

    test('is nothing to a public one, and lives', async () => {
      for (const token of await tokens()) {
        const before = await oauth.rows();
        expectDone(await oauth.revoke(token, WEB));
        expect(await oauth.rows()).toEqual(before);
        expect((await oauth.introspect(token, PARTNER)).body['active']).toBe(true);
      }
    });
  });

  test('a client revokes its own by Basic as well', async () => {
    const { refreshToken, sid } = await oauth.login('backend');
    expectDone(await oauth.post('revoke', { token: refreshToken }, basicOf(BACKEND)));
    expect(await oauth.reasonOf(sid)).toBe('logout');
  });

  test.each([
    '',
    'token=',
    'token_type_hint=refresh_token',
    'token=a&token=b',
    'token=a&token_type_hint=a&token_type_hint=b',
  ])('%j names no token, and is an invalid request', async (form) => {
    const answer = await oauth.post('revoke', `client_id=web&${form}`);
    expect([answer.status, answer.body['error']]).toEqual([400, 'invalid_request']);
  });

  test('a token is taken in a form alone', async () => {
    const { refreshToken, sid } = await oauth.login();
    const url = `${fixture.node.url}/oauth/revoke`;
    const body = JSON.stringify({ token: refreshToken, ...WEB });
    const headers = { 'content-type': 'application/json' };
    expect((await fetch(url, { method: 'POST', headers, body })).status).toBe(415);
    expect((await fetch(`${url}?client_id=web&token=${refreshToken}`)).status).toBe(404);
    expect(await oauth.reasonOf(sid)).toBeNull();
  });
});

test('a revoked refresh token ends the access tokens on every node', async () => {
  const database = await createDatabase();
  const [one, two] = await Promise.all(
    [1, 2].map(() => startNode({ url: database.url, options: oauthOptions })),
  );
  try {
    const oauth = new OAuth({ database, node: one! });
    const { refreshToken, accessToken } = await oauth.login();
    expect((await me(two!, accessToken)).status).toBe(200);
    await oauth.revoke(refreshToken);
    expect(await soon(async () => (await me(two!, accessToken)).status === 401)).toBe(true);
  } finally {
    await Promise.all([one?.close(), two?.close()]);
    await database.drop();
  }
});
