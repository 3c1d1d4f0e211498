import { decodeJwt } from 'jose';
import { send } from '../../support/http.js';
import {
  BACKEND,
  DOORS,
  expectUnspent,
  INVALID_GRANT,
  onBothRefreshing,
  present,
  refusalOf,
  rowOf,
  told,
} from './fixture.js';

const basic = (id: string, secret: string) => ({
  authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`,
});

onBothRefreshing((world) => {
  const token = (fields: Record<string, string> | string, headers: Record<string, string> = {}) =>
    send(`${world.nodes[0].url}/oauth/token`, { form: fields, headers });
  const grant = (refreshToken: string) => ({ grant_type: 'refresh_token', refresh_token: refreshToken });

  test.each(DOORS)(
    'R16 a token presented by another client at %s is an invalid grant that hurts nobody',
    async (door) => {
      const fields = { client_id: 'phone' };
      const refused = await expectUnspent(world, () =>
        present(world.nodes[0], door, world.pair.refreshToken, { fields }),
      );
      expect(refusalOf(refused)).toEqual(INVALID_GRANT);
    },
  );

  test.each(DOORS)('R16 nor does a late replay by another client end the family, at %s', async (door) => {
    const first = await present(world.nodes[0], door, world.pair.refreshToken);
    await world.database.passTime(60);
    const replay = await present(world.nodes[1], door, world.pair.refreshToken, {
      fields: { client_id: 'phone' },
    });
    expect(refusalOf(replay)).toEqual(INVALID_GRANT);
    const next = await present(world.nodes[1], door, String(first.body['refresh_token']));
    expect(next.status).toBe(200);
  });

  test.each(['read write admin', 'admin', 'READ', 'read  write', 'read\u00e9', 'read"'])(
    'R17 the scope %p is more than was granted, or none: invalid_scope, and nothing is spent',
    async (scope) => {
      const pair = await world.nodes[0].tokens.issue('alice', { scope: 'read write' });
      const before = await rowOf(world, pair.sid);
      const answer = await token({ ...grant(pair.refreshToken), client_id: 'default', scope });
      expect(told(answer)).toBe('400 invalid_scope');
      expect(await rowOf(world, pair.sid)).toEqual(before);
      expect((await token({ ...grant(pair.refreshToken), client_id: 'default' })).status).toBe(200);
    },
  );

  test('R18 a scope is narrowed for one access token, and full again at the next refresh', async () => {
    const pair = await world.nodes[0].tokens.issue('alice', { scope: 'read write' });
    const narrow = await token({ ...grant(pair.refreshToken), client_id: 'default', scope: 'read' });
    expect([narrow.status, narrow.body['scope']]).toEqual([200, 'read']);
    expect(decodeJwt(String(narrow.body['access_token']))['scope']).toBe('read');
    await world.database.passTime(60);
    const full = await token({ ...grant(String(narrow.body['refresh_token'])), client_id: 'default' });
    expect(String(full.body['scope']).split(' ').toSorted()).toEqual(['read', 'write']);
    expect(decodeJwt(String(full.body['access_token']))['scope']).toBe(full.body['scope']);
  });

  test.each<[title: string, expected: string, form: (refreshToken: string) => string]>([
    ['without grant_type', '400 invalid_request', (text) => `refresh_token=${text}`],
    ['with an empty grant_type', '400 invalid_request', (text) => `grant_type=&refresh_token=${text}`],
    ['by password', '400 unsupported_grant_type', (text) => `grant_type=password&refresh_token=${text}`],
    [
      'by REFRESH_TOKEN',
      '400 unsupported_grant_type',
      (text) => `grant_type=REFRESH_TOKEN&refresh_token=${text}`,
    ],
    [
      'with grant_type twice',
      '400 invalid_request',
      (text) => `grant_type=refresh_token&grant_type=refresh_token&refresh_token=${text}`,
    ],
    [
      'with the token twice',
      '400 invalid_request',
      (text) => `grant_type=refresh_token&refresh_token=${text}&refresh_token=${text}`,
    ],
    [
      'with client_id twice',
      '400 invalid_request',
      (text) => `grant_type=refresh_token&refresh_token=${text}&client_id=default`,
    ],
  ])('R19 a grant %s is %s, and nothing is spent', async (_, expected, form) => {
    const answer = await expectUnspent(world, () =>
      token(`${form(world.pair.refreshToken)}&client_id=default`),
    );
    expect(told(answer)).toBe(expected);
  });

  test.each<[title: string, fields: Record<string, string>, headers?: Record<string, string>]>([
    ['an unknown client', { client_id: 'nobody' }],
    ['an unknown client with a secret', {}, basic('nobody', BACKEND.secret)],
    ['a wrong secret in the header', {}, basic(BACKEND.id, 'x'.repeat(40))],
    ['a wrong secret in the body', { client_id: BACKEND.id, client_secret: 'x'.repeat(40) }],
    ['no secret', { client_id: BACKEND.id }],
    ['an empty secret in the header', {}, basic(BACKEND.id, '')],
    ['a public client with a secret', {}, basic('phone', BACKEND.secret)],
  ])(
    'R20 %s is an invalid client, is challenged where it tried the header, and spends nothing',
    async (_, fields, headers = {}) => {
      const pair = await world.nodes[0].tokens.issue('alice', { clientId: BACKEND.id });
      const before = await rowOf(world, pair.sid);
      const answer = await token({ ...grant(pair.refreshToken), ...fields }, headers);
      expect(told(answer)).toBe('401 invalid_client');
      const challenge = 'authorization' in headers ? 'Basic realm="api", charset="UTF-8"' : null;
      expect(answer.headers.get('www-authenticate')).toBe(challenge);
      expect(answer.headers.get('cache-control')).toBe('no-store');
      expect(await rowOf(world, pair.sid)).toEqual(before);
      const good = await token(grant(pair.refreshToken), basic(BACKEND.id, BACKEND.secret));
      expect(good.status).toBe(200);
    },
  );

  test('R20 what a confidential client holds is of no use at /auth/refresh without its secret', async () => {
    const pair = await world.nodes[0].tokens.issue('alice', { clientId: BACKEND.id });
    const before = await rowOf(world, pair.sid);
    for (const fields of [{}, { client_id: BACKEND.id }, { client_id: 'phone' }]) {
      const { status } = await present(world.nodes[0], '/auth/refresh', pair.refreshToken, { fields });
      expect([400, 401]).toContain(status);
    }
    expect(await rowOf(world, pair.sid)).toEqual(before);
  });

  test.each(DOORS)(
    'R21 a refresh at %s is a POST, with nothing in the address, and no other method counts as one',
    async (door) => {
      const { refreshToken } = world.pair;
      const query = new URLSearchParams({ ...grant(refreshToken), client_id: 'default' }).toString();
      const url = `${world.nodes[0].url}${door}`;
      const statuses = await expectUnspent(world, async () => {
        const post = { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' } };
        return {
          get: (await fetch(`${url}?${query}`)).status,
          put: (await fetch(url, { ...post, method: 'PUT', body: query })).status,
          'method override': (
            await fetch(`${url}?_method=POST&${query}`, { headers: { 'x-http-method-override': 'POST' } })
          ).status,
          'in the address': (await fetch(`${url}?${query}`, { ...post, body: 'client_id=default' })).status,
        };
      });
      expect(statuses).toEqual({ get: 404, put: 404, 'method override': 404, 'in the address': 400 });
    },
  );
});
