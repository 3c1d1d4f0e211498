import { once } from 'node:events';
import { request } from 'node:http';
import type { TokenPair } from 'nestjs-token-family';
import { send, type Answer } from '../support/http.js';
import { onBothAdapters } from '../support/on-both-adapters.js';
import {
  BACKEND,
  BACKEND_BEFORE,
  basic,
  basicOf,
  CHALLENGE,
  formEncoded,
  INVALID_CLIENT,
  INVALID_GRANT,
  OAuth,
  oauthOptions,
  oauthSettings,
  PARTNER,
  REPORTS,
  WEB,
  type Form,
} from './fixture.js';

type Case = [name: string, form: Record<string, string>, headers?: Record<string, string>];

const BEARER = { authorization: 'Bearer mF_9.B5f-4.1JqM' };
const [id, secret] = [BACKEND.client_id, BACKEND.client_secret];

const GOOD: Case[] = [
  ['by Basic', {}, basicOf(BACKEND)],
  ['by Basic, encoded as a form', {}, basic(formEncoded(id), formEncoded(secret))],
  [
    'by Basic in another spelling',
    {},
    { authorization: basic(id, secret)['authorization']!.replace('B', 'b') },
  ],
  ['by Basic, naming itself in the body, too', { client_id: id }, basicOf(BACKEND)],
  ['by Basic, with an empty client_secret', { client_secret: '' }, basicOf(BACKEND)],
  ['by the secret it is about to give up, by Basic', {}, basicOf(BACKEND_BEFORE)],
  ['by its secret in the body', BACKEND],
  ['by the secret it is about to give up, in the body', BACKEND_BEFORE],
];

/** Whoever sends these is nobody, wherever a client with a secret is asked for. */
const STRANGERS: Case[] = [
  ['an unknown client', { client_id: 'nobody' }],
  ['an unknown client with a secret', { client_id: 'nobody', client_secret: secret }],
  ['an unknown client by Basic', {}, basic('nobody', secret)],
  ['the name of a property of every object', { client_id: 'constructor' }],
  ['the name of a property of every object, by Basic', {}, basic('__proto__', secret)],
  ['an id of another case', { client_id: 'Backend', client_secret: secret }],
  ['an id with a space', { client_id: 'backend ', client_secret: secret }],
  ['no secret', { client_id: id }],
  ['an empty secret', { client_id: id, client_secret: '' }],
  ['an empty secret by Basic', {}, basic(id, '')],
  ["another client's secret", { client_id: id, client_secret: PARTNER.client_secret }],
  ["another client's secret by Basic", {}, basic(id, PARTNER.client_secret)],
  ['a secret cut short', {}, basic(id, secret.slice(0, -1))],
  ['a secret with a letter too many', { client_id: id, client_secret: `${secret}=` }],
  ['a secret in the body that is encoded twice', { client_id: id, client_secret: formEncoded(secret) }],
  ['a secret with a sign of percent that means nothing', {}, basic(id, '%zz%')],
  ['a secret without an id', { client_secret: secret }],
  ['an assertion without an id', { client_assertion: 'e30.e30.' }],
  ['a public client with a secret', { ...WEB, client_secret: secret }],
  ['a public client by Basic', {}, basic('web', secret)],
  ['a public client by Basic without a secret', {}, basic('web', '')],
  ['Basic without a colon', {}, { authorization: `Basic ${Buffer.from(id).toString('base64')}` }],
  [
    'Basic without its padding',
    {},
    { authorization: basic(id, `${secret}x`)['authorization']!.replace(/=+$/, '') },
  ],
  ['Basic that is no base64', {}, { authorization: `Basic ${id}:${secret}` }],
  ['Basic alone', {}, { authorization: 'Basic' }],
  ['Basic twice in one', {}, { authorization: `${basic(id, secret)['authorization']}, Basic ${id}` }],
  ['malformed Basic beside a good secret', BACKEND, { authorization: 'Basic !' }],
];

/** And these are, where an Authorization header is a client's. */
const OTHER_SCHEMES: Case[] = [
  ['an access token', {}, BEARER],
  ['an empty Authorization header', WEB, { authorization: '' }],
  ['an access token beside a good secret', BACKEND, BEARER],
  ['a scheme nobody knows beside a good secret', BACKEND, { authorization: 'Digest username="backend"' }],
];

/** And these, where a client has to be named. */
const UNNAMED: Case[] = [
  ['nobody', {}],
  ['an empty client_id', { client_id: '' }],
];

const AMBIGUOUS: [name: string, form: Form, headers?: Record<string, string>][] = [
  ['the secret in both places', BACKEND, basicOf(BACKEND)],
  ['a wrong secret beside Basic', { client_secret: 'x' }, basicOf(BACKEND)],
  ['another client beside Basic', { client_id: 'partner' }, basicOf(BACKEND)],
  ['a client_id twice', `client_id=${id}&client_id=${id}&client_secret=${encodeURIComponent(secret)}`],
  ['a client_id twice, once empty', `client_id=&client_id=${id}&client_secret=${encodeURIComponent(secret)}`],
  [
    'a client_secret twice',
    `client_id=${id}&client_secret=${encodeURIComponent(secret)}&client_secret=${encodeURIComponent(secret)}`,
  ],
];

onBothAdapters(oauthSettings, (fixture) => {
  const oauth = new OAuth(fixture);
  let pair: TokenPair;
  beforeAll(async () => {
    pair = await oauth.login('backend');
  });

  /** A request that is right but for who sends it, to each place that asks who that is. */
  const PLACES: Record<string, (form: Form, headers?: Record<string, string>) => Promise<Answer>> = {
    '/oauth/token': (form, headers) =>
      oauth.post(
        'token',
        joined(`grant_type=refresh_token&refresh_token=${pair.refreshToken}`, form),
        headers,
      ),
    '/oauth/revoke': (form, headers) =>
      oauth.post('revoke', joined(`token=${pair.refreshToken}`, form), headers),
    '/oauth/introspect': (form, headers) =>
      oauth.post('introspect', joined(`token=${pair.accessToken}`, form), headers),
    '/auth/refresh': (form, headers = {}) =>
      send(`${fixture.node.url}/auth/refresh`, {
        form: joined(`refresh_token=${pair.refreshToken}`, form),
        headers,
      }),
  };

  function expectStranger(answer: Answer, isChallenged: boolean): void {
    expect([answer.status, answer.body]).toEqual([401, INVALID_CLIENT]);
    expect(answer.headers.get('www-authenticate')).toBe(isChallenged ? CHALLENGE : null);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(answer.headers.get('set-cookie')).toBeNull();
  }

  describe.each(Object.keys(PLACES))('at %s', (place) => {
    const at = PLACES[place]!;
    const isStandard = place.startsWith('/oauth/');
    const isForServices = place === '/oauth/introspect';

    test.each([...STRANGERS, ...(isStandard ? OTHER_SCHEMES : []), ...(isForServices ? UNNAMED : [])])(
      '%s is no client, is challenged for Basic where it tried the header or is a service, and changes nothing',
      async (_, form, headers = {}) => {
        const before = await oauth.rows();
        expectStranger(await at(form, headers), isForServices || 'authorization' in headers);
        expect(await oauth.rows()).toEqual(before);
      },
    );

    test.each(AMBIGUOUS)('%s is an invalid request, and changes nothing', async (_, form, headers = {}) => {
      const before = await oauth.rows();
      const answer = await at(form, headers);
      expect([answer.status, answer.body['error']]).toEqual([400, 'invalid_request']);
      expect(answer.body['error_description']).toMatch(/^[\x20\x21\x23-\x5b\x5d-\x7e]+$/);
      expect(await oauth.rows()).toEqual(before);
    });

    test('two Authorization headers are no client, whichever comes first', async () => {
      const before = await oauth.rows();
      const [good, bad] = [basicOf(BACKEND)['authorization']!, basic('nobody', 'x')['authorization']!];
      const body = `grant_type=refresh_token&refresh_token=${pair.refreshToken}&token=${pair.accessToken}`;
      for (const both of [
        [good, bad],
        [bad, good],
        [good, good],
      ]) {
        expect(await statusOf(fixture.node.url + place, body, both)).toBe(401);
      }
      expect(await oauth.rows()).toEqual(before);
      expect(await statusOf(fixture.node.url + place, body, [good])).toBe(200);
      pair = await oauth.login('backend');
    });

    test.each(GOOD)('a client with a secret authenticates %s', async (_, form, headers = {}) => {
      pair = await oauth.login('backend');
      expect((await at(form, headers)).status).toBe(200);
    });
  });

  test.each(['/oauth/token', '/oauth/revoke'])('a resource server is no client at %s', async (place) => {
    pair = await oauth.login('backend');
    expectStranger(await PLACES[place]!(REPORTS), false);
    expectStranger(await PLACES[place]!({}, basicOf(REPORTS)), true);
  });

  test('credentials in the address are none', async () => {
    pair = await oauth.login('backend');
    const query = `?${new URLSearchParams(BACKEND).toString()}`;
    const grant = { grant_type: 'refresh_token', refresh_token: pair.refreshToken };
    const before = await oauth.rows();
    expect((await oauth.post(`token${query}`, grant)).body['error']).toBe('invalid_grant');
    expect((await oauth.post(`revoke${query}`, { token: pair.refreshToken })).status).toBe(200);
    expectStranger(await oauth.post(`introspect${query}`, { token: pair.refreshToken }), true);
    expect(await oauth.rows()).toEqual(before);
  });

  describe.each<[string, Record<string, string>]>([
    ['names nobody', {}],
    ['has an empty client_id', { client_id: '' }],
  ])('a request to /oauth/* that %s comes from the default client', (_, form) => {
    test('which refreshes its own', async () => {
      const { refreshToken } = await oauth.login('default');
      expect((await oauth.refresh(refreshToken, form)).status).toBe(200);
    });

    test('which revokes its own', async () => {
      const { refreshToken, sid } = await oauth.login('default');
      expect((await oauth.revoke(refreshToken, form)).status).toBe(200);
      expect(await oauth.reasonOf(sid)).toBe('logout');
    });

    test.each(['web', 'backend'])('and neither spends nor ends what is of %s', async (clientId) => {
      const { refreshToken, accessToken } = await oauth.login(clientId);
      const before = await oauth.rows();
      expect((await oauth.refresh(refreshToken, form)).body).toEqual(INVALID_GRANT);
      for (const token of [refreshToken, accessToken]) {
        expect((await oauth.revoke(token, form)).status).toBe(200);
      }
      expect(await oauth.rows()).toEqual(before);
    });

    test.each<[string, string, string, Record<string, string>]>([
      ['without grant_type', 'invalid_request', 'token', {}],
      ['with another grant_type', 'unsupported_grant_type', 'token', { grant_type: 'password' }],
      ['without a refresh token', 'invalid_request', 'token', { grant_type: 'refresh_token' }],
      ['without a token', 'invalid_request', 'revoke', {}],
    ])('which is told what is wrong with it %s: %s', async (__, error, endpoint, more) => {
      const answer = await oauth.post(endpoint, { ...form, ...more });
      expect([answer.status, answer.body['error']]).toEqual([400, error]);
    });
  });

  test('at /auth/refresh an access token beside it is not taken for an attempt, which would be challenged', async () => {
    expectStranger(await PLACES['/auth/refresh']!({ client_id: 'nobody' }, BEARER), false);
  });

  test("another client's refresh token is an invalid grant wherever it is presented, and its family lives", async () => {
    const { refreshToken } = await oauth.login('backend');
    const before = await oauth.rows();
    for (const client of [WEB, PARTNER, { client_id: 'default' }]) {
      const answer = await oauth.refresh(refreshToken, client);
      expect([answer.status, answer.body['error']]).toEqual([400, 'invalid_grant']);
      const json = { refresh_token: refreshToken, ...client };
      const other = await send(`${fixture.node.url}/auth/refresh`, { json });
      expect([other.status, other.body['error']]).toEqual([400, 'invalid_grant']);
    }
    expect(await oauth.rows()).toEqual(before);
    expect((await oauth.refresh(refreshToken, BACKEND)).status).toBe(200);
  });

  test('a stolen token of a client that is presented too late by a stranger does not end its family', async () => {
    const first = await oauth.login('backend');
    const { body } = await oauth.refresh(first.refreshToken, BACKEND);
    await oauth.passTime(60);
    const before = await oauth.rows();
    for (const [, form, headers] of STRANGERS) {
      await oauth.post(
        'token',
        { grant_type: 'refresh_token', refresh_token: first.refreshToken, ...form },
        headers,
      );
    }
    await oauth.refresh(first.refreshToken, PARTNER);
    expect(await oauth.rows()).toEqual(before);
    expect((await oauth.refresh(body['refresh_token'], BACKEND)).status).toBe(200);
  });

  test('a refresh that names nobody comes from the default client, and an access token beside it is none', async () => {
    const { refreshToken } = await oauth.login('default');
    const answer = await send(`${fixture.node.url}/auth/refresh`, {
      json: { refresh_token: refreshToken },
      headers: BEARER,
    });
    expect(answer.status).toBe(200);
    const named = { refresh_token: answer.body['refresh_token'], client_id: 'default' };
    expect((await send(`${fixture.node.url}/auth/refresh`, { json: named })).status).toBe(200);
  });

  test('a login for a client that is not listed is a mistake of the caller', async () => {
    const before = await oauth.rows();
    await expect(oauth.login('nobody')).rejects.toThrow(TypeError);
    await expect(oauth.login('')).rejects.toThrow(TypeError);
    expect(await oauth.rows()).toEqual(before);
  });
});

onBothAdapters(
  {
    options: {
      ...oauthOptions,
      clientId: BACKEND.client_id,
    },
  },
  (fixture) => {
    const oauth = new OAuth(fixture);

    test.each(['token', 'revoke'])(
      'a request to /oauth/%s that names nobody is no client where the default one has a secret',
      async (endpoint) => {
        const { refreshToken } = await oauth.login('backend');
        const before = await oauth.rows();
        const grant = { grant_type: 'refresh_token', refresh_token: refreshToken, token: refreshToken };
        for (const form of [grant, {}, { ...grant, client_id: '' }]) {
          const answer = await oauth.post(endpoint, form);
          expect([answer.status, answer.body]).toEqual([401, INVALID_CLIENT]);
          expect(answer.headers.get('www-authenticate')).toBeNull();
        }
        expect(await oauth.rows()).toEqual(before);
        expect((await oauth.post(endpoint, grant, basicOf(BACKEND))).status).toBe(200);
      },
    );
  },
);

function joined(form: string, more: Form): string {
  return `${form}&${new URLSearchParams(more).toString()}`;
}

/** The status of a request with so many Authorization headers, which `fetch` would make one of. */
async function statusOf(url: string, body: string, authorization: readonly string[]): Promise<number> {
  const headers = { 'content-type': 'application/x-www-form-urlencoded', authorization };
  const sent = request(url, { method: 'POST', headers: headers as never });
  sent.end(body);
  const [response] = (await once(sent, 'response')) as [import('node:http').IncomingMessage];
  response.resume();
  return response.statusCode!;
}
