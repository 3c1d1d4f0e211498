import { randomUUID } from 'node:crypto';
import { decodeJwt } from 'jose';
import type { TokenPair } from 'nestjs-token-family';
import { me, send, type Answer } from '../support/http.js';
import { onBothAdapters } from '../support/on-both-adapters.js';
import { INVALID_GRANT, OAuth, oauthSettings, WEB } from './fixture.js';

const INVALID_SCOPE = {
  error: 'invalid_scope',
  error_description: 'The scope is malformed, or exceeds what was granted',
};

onBothAdapters(oauthSettings, (fixture) => {
  const oauth = new OAuth(fixture);
  const tokenOf = ({ body }: Answer): string => String(body['refresh_token']);
  const scopeIn = ({ body }: Answer): unknown => decodeJwt(String(body['access_token']))['scope'];

  test('a refresh gets a token response of RFC 6749, which nobody may keep', async () => {
    const pair = await oauth.login();
    const answer = await oauth.refresh(pair.refreshToken);
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({
      access_token: expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+$/),
      token_type: 'Bearer',
      expires_in: expect.any(Number),
      refresh_token: expect.stringMatching(/^rt1_[\w-]{92}$/),
      refresh_expires_in: 604_800,
      scope: 'read write',
      sid: pair.sid,
    });
    expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(answer.headers.get('pragma')).toBe('no-cache');
    expect(answer.headers.get('set-cookie')).toBeNull();
    expect((await me(fixture.node, String(answer.body['access_token']))).body).toMatchObject({
      sub: 'alice',
      client_id: 'web',
      sid: pair.sid,
    });
  });

  describe('a request that is wrong spends nothing:', () => {
    type Wrong = [name: string, error: string, form: (token: string) => string];
    const grant = 'grant_type=refresh_token&client_id=web';
    test.each<Wrong>([
      ['without grant_type', 'invalid_request', (token) => `client_id=web&refresh_token=${token}`],
      [
        'with an empty grant_type',
        'invalid_request',
        (token) => `grant_type=&client_id=web&refresh_token=${token}`,
      ],
      [
        'with another grant_type',
        'unsupported_grant_type',
        (token) => `grant_type=authorization_code&client_id=web&refresh_token=${token}`,
      ],
      [
        'with a grant_type of another case',
        'unsupported_grant_type',
        (token) => `grant_type=Refresh_Token&client_id=web&refresh_token=${token}`,
      ],
      [
        'with two grant_types',
        'invalid_request',
        (token) => `${grant}&grant_type=password&refresh_token=${token}`,
      ],
      ['without a refresh token', 'invalid_request', () => grant],
      ['with an empty refresh token', 'invalid_request', () => `${grant}&refresh_token=`],
      [
        'with its refresh token twice',
        'invalid_request',
        (token) => `${grant}&refresh_token=${token}&refresh_token=${token}`,
      ],
      [
        'with two scopes',
        'invalid_request',
        (token) => `${grant}&refresh_token=${token}&scope=read&scope=write`,
      ],
      ['with a wider scope', 'invalid_scope', (token) => `${grant}&refresh_token=${token}&scope=read+admin`],
      ['with another scope', 'invalid_scope', (token) => `${grant}&refresh_token=${token}&scope=admin`],
      [
        'with a scope of another case',
        'invalid_scope',
        (token) => `${grant}&refresh_token=${token}&scope=READ`,
      ],
      [
        'with a space too many',
        'invalid_scope',
        (token) => `${grant}&refresh_token=${token}&scope=read++write`,
      ],
      [
        'with a tab in its scope',
        'invalid_scope',
        (token) => `${grant}&refresh_token=${token}&scope=read%09write`,
      ],
      [
        'with a quote in its scope',
        'invalid_scope',
        (token) => `${grant}&refresh_token=${token}&scope=%22read%22`,
      ],
      [
        'with a scope that is but a space',
        'invalid_scope',
        (token) => `${grant}&refresh_token=${token}&scope=+`,
      ],
      ['with a refresh token with a space', 'invalid_grant', (token) => `${grant}&refresh_token=${token}+`],
    ])('%s', async (_, error, form) => {
      const { refreshToken } = await oauth.login();
      const before = await oauth.rows();
      const answer = await oauth.post('token', form(refreshToken));
      expect([answer.status, answer.body['error']]).toEqual([400, error]);
      expect(answer.body['error_description']).toMatch(/^[\x20\x21\x23-\x5b\x5d-\x7e]+$/);
      expect(answer.headers.get('cache-control')).toBe('no-store');
      expect(await oauth.rows()).toEqual(before);
      expect((await oauth.refresh(refreshToken)).status).toBe(200);
    });

    test.each([
      ['in JSON', 415, 'application/json'],
      ['as plain text', 415, 'text/plain'],
    ])('%s', async (_, status, type) => {
      const { refreshToken } = await oauth.login();
      const before = await oauth.rows();
      const body = { grant_type: 'refresh_token', refresh_token: refreshToken, ...WEB };
      const url = `${fixture.node.url}/oauth/token`;
      const answer = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': type },
        body: JSON.stringify(body),
      });
      expect(answer.status).toBe(status);
      expect(await oauth.rows()).toEqual(before);
    });

    test('of more than 8,192 bytes', async () => {
      const { refreshToken } = await oauth.login();
      const answer = await oauth.refresh(refreshToken, { ...WEB, state: 'x'.repeat(8192) });
      expect([answer.status, answer.body['error']]).toEqual([413, 'invalid_request']);
      expect((await oauth.refresh(refreshToken)).status).toBe(200);
    });

    test('in the address', async () => {
      const { refreshToken } = await oauth.login();
      const query = `grant_type=refresh_token&client_id=web&refresh_token=${refreshToken}`;
      const before = await oauth.rows();
      expect((await send(`${fixture.node.url}/oauth/token?${query}`)).status).toBe(404);
      expect((await oauth.post(`token?${query}`, WEB)).body['error']).toBe('invalid_request');
      expect(await oauth.rows()).toEqual(before);
    });

    test('with a malformed Idempotency-Key', async () => {
      const { refreshToken } = await oauth.login();
      const before = await oauth.rows();
      const answer = await oauth.refresh(refreshToken, WEB, { 'idempotency-key': 'short' });
      expect([answer.status, answer.body['error']]).toEqual([400, 'invalid_request']);
      expect(await oauth.rows()).toEqual(before);
    });
  });

  test('what is no parameter of it, and what has no value, is passed over', async () => {
    const { refreshToken } = await oauth.login();
    const more = {
      ...WEB,
      scope: '',
      client_secret: '',
      audience: 'elsewhere',
      sid: randomUUID(),
      resource: '',
    };
    expect((await oauth.refresh(refreshToken, more)).body).toMatchObject({ scope: 'read write' });
    const twice = `grant_type=refresh_token&refresh_token=${refreshToken}&client_id=web&a=1&a=2`;
    expect((await oauth.post('token', twice)).status).toBe(200);
  });

  test.each(['garbage', 'rt1_', 'eyJhbGciOiJub25lIn0.e30.', '\0'])(
    '%j is an invalid grant',
    async (token) => {
      const answer = await oauth.refresh(token);
      expect([answer.status, answer.body]).toEqual([400, INVALID_GRANT]);
    },
  );

  test('an access token is no refresh token', async () => {
    const { accessToken } = await oauth.login();
    expect((await oauth.refresh(accessToken)).body).toEqual(INVALID_GRANT);
  });

  describe('cookies', () => {
    test('are neither read nor set', async () => {
      const { refreshToken } = await oauth.login();
      const headers = { cookie: `__Host-refresh_token=${refreshToken}` };
      const grant = { grant_type: 'refresh_token', ...WEB };
      const answer = await oauth.post('token', grant, headers);
      expect([answer.status, answer.body['error']]).toEqual([400, 'invalid_request']);
      const both = await oauth.post('token', { ...grant, refresh_token: refreshToken }, headers);
      expect([both.status, both.headers.get('set-cookie')]).toEqual([200, null]);
    });

    test('asked for are refused before anything is spent', async () => {
      const { refreshToken } = await oauth.login();
      const before = await oauth.rows();
      for (const carrier of ['cookie', 'Cookie', 'body, cookie', 'x']) {
        const answer = await oauth.refresh(refreshToken, WEB, { 'x-token-carrier': carrier });
        expect([answer.status, answer.body['error']]).toEqual([400, 'invalid_request']);
        expect(answer.headers.get('set-cookie')).toBeNull();
      }
      expect(await oauth.rows()).toEqual(before);
      expect((await oauth.refresh(refreshToken, WEB, { 'x-token-carrier': 'body' })).status).toBe(200);
    });
  });

  describe('a scope', () => {
    const narrowed = (token: string, scope: string, headers?: Record<string, string>): Promise<Answer> =>
      oauth.refresh(token, { ...WEB, scope }, headers);

    test('narrows this access token, and not the grant: the next one without it is full again (R18)', async () => {
      const { refreshToken } = await oauth.login();
      const narrow = await narrowed(refreshToken, 'read');
      expect([narrow.body['scope'], scopeIn(narrow)]).toEqual(['read', 'read']);
      await oauth.passTime(11);
      const full = await oauth.refresh(tokenOf(narrow));
      expect([full.status, full.body['scope'], scopeIn(full)]).toEqual([200, 'read write', 'read write']);
      await oauth.passTime(11);
      const other = await narrowed(tokenOf(full), 'write');
      expect([other.body['scope'], scopeIn(other)]).toEqual(['write', 'write']);
    });

    test('rotates as a refresh without one does: once', async () => {
      const { refreshToken, sid } = await oauth.login();
      const answers = await Promise.all(
        Array.from({ length: 30 }, (_, n) => narrowed(refreshToken, n % 2 ? 'read' : 'write')),
      );
      expect(new Set(answers.map(tokenOf)).size).toBe(1);
      expect(new Set(answers.map(scopeIn))).toEqual(new Set(['read', 'write']));
      const rotated = fixture.node.events.filter((event) => event.type === 'rotated' && event.sid === sid);
      expect(rotated).toHaveLength(1);
    });

    test('comes in any order, and a word twice is a word', async () => {
      const { refreshToken } = await oauth.login();
      const answer = await narrowed(refreshToken, 'write read write');
      expect([answer.body['scope'], scopeIn(answer)]).toEqual(['read write', 'read write']);
    });

    test('may be another one when the request is repeated', async () => {
      const { refreshToken } = await oauth.login();
      const key = { 'idempotency-key': randomUUID() };
      const first = await narrowed(refreshToken, 'read', key);
      const retry = await narrowed(refreshToken, 'write', key);
      const repeat = await narrowed(tokenOf(first), 'read write');
      await oauth.passTime(3600);
      const late = await narrowed(refreshToken, 'write', key);
      expect([retry, repeat, late].map(tokenOf)).toEqual(Array(3).fill(tokenOf(first)));
      expect([first, retry, repeat, late].map(scopeIn)).toEqual(['read', 'write', 'read write', 'write']);
    });

    test('that exceeds the grant spends nothing, however the token would have been taken (R17)', async () => {
      const { refreshToken } = await oauth.login();
      const first = await oauth.refresh(refreshToken);
      const before = await oauth.rows();
      const [retry, repeat] = [
        await narrowed(refreshToken, 'admin'),
        await narrowed(tokenOf(first), 'admin'),
      ];
      expect([retry.body, repeat.body]).toEqual([INVALID_SCOPE, INVALID_SCOPE]);
      expect(await oauth.rows()).toEqual(before);
      expect((await oauth.refresh(tokenOf(first))).status).toBe(200);
    });

    test('is nothing to ask for where the login granted none', async () => {
      const { tokens } = fixture.node;
      const pair = await tokens.issue('alice', { clientId: 'web' });
      expect((await narrowed(pair.refreshToken, 'read')).body).toEqual(INVALID_SCOPE);
      const answer = await oauth.refresh(pair.refreshToken);
      expect([answer.status, 'scope' in answer.body, scopeIn(answer)]).toEqual([200, false, undefined]);
    });

    test.each(['admin', 'read  write', '"', 'x'.repeat(5000)])(
      'does not hide a theft: a reused token with scope %j ends its family',
      async (scope) => {
        const { refreshToken, sid } = await oauth.login();
        const { body } = await oauth.refresh(refreshToken);
        await oauth.passTime(60);
        const answer = await narrowed(refreshToken, scope);
        expect([answer.status, answer.body]).toEqual([400, INVALID_GRANT]);
        expect(await oauth.reasonOf(sid)).toBe('reuse');
        expect((await oauth.refresh(body['refresh_token'])).body).toEqual(INVALID_GRANT);
      },
    );

    test('does not tell whether a token was ever good', async () => {
      const ended = await oauth.login();
      await fixture.node.tokens.revoke(ended.sid);
      const foreign = await oauth.login('partner');
      for (const token of ['garbage', ended.refreshToken, foreign.refreshToken]) {
        expect((await narrowed(token, 'admin')).body).toEqual(INVALID_GRANT);
      }
    });
  });

  describe('an Idempotency-Key', () => {
    test('survives a lost answer hours later', async () => {
      const { refreshToken } = await oauth.login();
      const key = { 'idempotency-key': randomUUID() };
      const first = await oauth.refresh(refreshToken, WEB, key);
      await oauth.passTime(3 * 3600);
      expect(tokenOf(await oauth.refresh(refreshToken, WEB, key))).toBe(tokenOf(first));
    });

    test('that obtained a token cannot spend it', async () => {
      const { refreshToken } = await oauth.login();
      const key = { 'idempotency-key': randomUUID() };
      const first = await oauth.refresh(refreshToken, WEB, key);
      await oauth.passTime(11);
      const answer = await oauth.refresh(tokenOf(first), WEB, key);
      expect([answer.status, answer.body['error']]).toEqual([422, 'invalid_request']);
    });
  });

  test('a token past its end is refused, and so is one of a session that was ended', async () => {
    const pairs: TokenPair[] = [await oauth.login(), await oauth.login()];
    await fixture.node.tokens.revoke(pairs[0]!.sid);
    expect((await oauth.refresh(pairs[0]!.refreshToken)).body).toEqual(INVALID_GRANT);
    await oauth.passTime(8 * 86_400);
    expect((await oauth.refresh(pairs[1]!.refreshToken)).body).toEqual(INVALID_GRANT);
    expect(await oauth.reasonOf(pairs[1]!.sid)).toBeNull();
  });
});
