import { decodeJwt } from 'jose';
import { send, type Answer } from '../support/http.js';
import { onBothAdapters } from '../support/on-both-adapters.js';
import { options } from '../support/node.js';
import {
  BACKEND,
  basicOf,
  CHALLENGE,
  INVALID_CLIENT,
  OAuth,
  oauthSettings,
  PARTNER,
  REPORTS,
  WEB,
} from './fixture.js';

/** What an application may well name its claims, and no resource server must believe. */
const FEIGNED = { active: 'yes', token_type: 'refresh', token_use: 'refresh_token', role: 'admin' };

onBothAdapters(oauthSettings, (fixture) => {
  const oauth = new OAuth(fixture);

  function expectInactive(answer: Answer): void {
    expect([answer.status, answer.body]).toEqual([200, { active: false }]);
    expect(answer.headers.get('cache-control')).toBe('no-store');
  }

  test('of an access token it says all that is in it, and what kind of token it is', async () => {
    const { tokens } = fixture.node;
    const { accessToken, sid } = await tokens.issue('alice', {
      clientId: 'web',
      scope: 'read write',
      claims: FEIGNED,
    });
    const answer = await oauth.introspect(accessToken, REPORTS);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    const { exp, iat, jti } = decodeJwt(accessToken);
    expect(answer.body).toEqual({
      active: true,
      token_type: 'Bearer',
      token_use: 'access_token',
      iss: 'https://issuer.test',
      sub: 'alice',
      aud: 'https://api.test',
      exp,
      iat,
      auth_time: iat,
      jti,
      client_id: 'web',
      sid,
      scope: 'read write',
      role: 'admin',
    });
  });

  test('of a refresh token it says only that its family lives', async () => {
    const { refreshToken, sid } = await oauth.login('backend');
    await oauth.refresh(refreshToken, BACKEND);
    const expected = {
      active: true,
      token_use: 'refresh_token',
      sub: 'alice',
      client_id: 'backend',
      sid,
      scope: 'read write',
    };
    expect((await oauth.introspect(refreshToken, BACKEND)).body).toEqual(expected);
    await oauth.passTime(60);
    expect((await oauth.introspect(refreshToken, BACKEND)).body).toEqual(expected);
    expect(await oauth.reasonOf(sid)).toBeNull();
  });

  test('of a narrowed access token it says the narrowed scope', async () => {
    const { refreshToken } = await oauth.login('backend');
    const { body } = await oauth.refresh(refreshToken, { ...BACKEND, scope: 'read' });
    expect((await oauth.introspect(String(body['access_token']))).body['scope']).toBe('read');
  });

  describe('may be asked', () => {
    test.each([
      ['by Basic', {}, basicOf(REPORTS)],
      ['by credentials in the body', REPORTS, {}],
    ])(
      'by a resource server about any access token, %s, and about no refresh token',
      async (_, form, headers) => {
        for (const clientId of ['web', 'backend']) {
          const { accessToken, refreshToken } = await oauth.login(clientId);
          const active = await oauth.post('introspect', { token: accessToken, ...form }, headers);
          expect(active.body).toMatchObject({ active: true, client_id: clientId });
          expectInactive(await oauth.post('introspect', { token: refreshToken, ...form }, headers));
        }
      },
    );

    test('by a client with a secret about its own tokens, and no others', async () => {
      const [own, foreign] = [await oauth.login('backend'), await oauth.login('web')];
      for (const token of [own.accessToken, own.refreshToken]) {
        expect((await oauth.introspect(token, BACKEND)).body['active']).toBe(true);
        expect((await oauth.post('introspect', { token }, basicOf(BACKEND))).body['active']).toBe(true);
        expectInactive(await oauth.introspect(token, PARTNER));
      }
      for (const token of [foreign.accessToken, foreign.refreshToken]) {
        expectInactive(await oauth.introspect(token, BACKEND));
      }
    });

    test.each<[string, Record<string, string>, Record<string, string>]>([
      ['nobody', {}, {}],
      ['a public client', WEB, {}],
      ['the default client', { client_id: 'default' }, {}],
      ['an unknown client', { client_id: 'nobody' }, {}],
      ['a secret without an id', { client_secret: BACKEND.client_secret }, {}],
    ])('by %s never (S8)', async (_, form, headers) => {
      const { accessToken } = await oauth.login();
      const answer = await oauth.post('introspect', { token: accessToken, ...form }, headers);
      expect([answer.status, answer.body]).toEqual([401, INVALID_CLIENT]);
      expect(answer.headers.get('www-authenticate')).toBe(CHALLENGE);
    });

    test('by the access token itself never', async () => {
      const { accessToken } = await oauth.login();
      const headers = { authorization: `Bearer ${accessToken}` };
      expect((await oauth.post('introspect', { token: accessToken }, headers)).status).toBe(401);
    });
  });

  test('whatever is not active looks the same (S9)', async () => {
    const ended = await oauth.login('backend');
    await fixture.node.tokens.revoke(ended.sid);
    const reused = await oauth.login('backend');
    await oauth.refresh(reused.refreshToken, BACKEND);
    await oauth.passTime(60);
    await oauth.refresh(reused.refreshToken, BACKEND);
    const idle = await oauth.login('backend');
    await fixture.database.query(
      "update refresh_token set idle_expires_at = clock_timestamp() - interval '1 ms' where family_id = $1",
      [idle.sid],
    );
    const { accessToken, refreshToken } = await oauth.login('backend');
    const tokens = [ended, reused, idle].flatMap((pair) => [pair.accessToken, pair.refreshToken]);
    const altered = [accessToken, refreshToken].map((token) => `${token.slice(0, -2)}AA`);
    for (const token of [...tokens, ...altered, 'garbage', 'rt1_', '\0', 'a.b.c', 'x'.repeat(7000)]) {
      for (const caller of [BACKEND, REPORTS, PARTNER]) expectInactive(await oauth.introspect(token, caller));
    }
  });

  test.each(['', 'token=', 'token=a&token=b'])(
    '%j names no token, and is an invalid request',
    async (form) => {
      const answer = await oauth.post('introspect', form, basicOf(REPORTS));
      expect([answer.status, answer.body['error']]).toEqual([400, 'invalid_request']);
    },
  );

  test('a hint is only a hint, and a token is taken in a form alone', async () => {
    const { accessToken } = await oauth.login();
    const hinted = { ...REPORTS, token_type_hint: 'refresh_token' };
    expect((await oauth.introspect(accessToken, hinted)).body['active']).toBe(true);
    const url = `${fixture.node.url}/oauth/introspect`;
    expect((await send(url, { json: { token: accessToken, ...REPORTS } })).status).toBe(415);
    expect((await send(`${url}?token=${accessToken}`, { headers: basicOf(REPORTS) })).status).toBe(404);
  });

  test('to ask changes nothing', async () => {
    const { accessToken, refreshToken } = await oauth.login('backend');
    const before = await oauth.rows();
    for (const token of [accessToken, refreshToken]) await oauth.introspect(token);
    expect(await oauth.rows()).toEqual(before);
  });
});

const BOTH = { id: BACKEND.client_id, secret: BACKEND.client_secret };
onBothAdapters(
  { options: options({ clients: [BOTH, { id: 'web' }], resourceServers: [BOTH] }) },
  (fixture) => {
    test('a service that is both may ask as both', async () => {
      const oauth = new OAuth(fixture);
      const [own, other] = [await oauth.login('backend'), await oauth.login('web')];
      const isActive = async (token: string) => (await oauth.introspect(token)).body['active'];
      expect(await Promise.all([own.accessToken, own.refreshToken].map(isActive))).toEqual([true, true]);
      expect(await Promise.all([other.accessToken, other.refreshToken].map(isActive))).toEqual([true, false]);
    });
  },
);
