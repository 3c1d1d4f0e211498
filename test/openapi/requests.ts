import { randomUUID } from 'node:crypto';
import { SignJWT, decodeJwt, decodeProtectedHeader } from 'jose';
import type { TestDatabase } from '../support/database.js';
import { send, type Answer } from '../support/http.js';
import { signingKey } from '../support/node.js';
import { CLIENT, RESOURCE_SERVER, type Application } from './application.js';

export interface World {
  readonly application: Application;
  /** whose issuer is no URL, and which is stale 0.5 s after its last news */
  readonly stale: Application;
  readonly database: TestDatabase;
}

/** A real request, and the name of the answer it gets: a status, and for an error that of its example. */
export type Request = readonly [name: string, send: (world: World) => Promise<Answer>];

const OFTEN = { 'x-often': 'yes' };
const COOKIE = { 'x-token-carrier': 'cookie' };
const BASIC = basic(CLIENT);
const SERVICE = basic(RESOURCE_SERVER);
const STRANGER = basic({ id: 'stranger', secret: CLIENT.secret });
const LARGE = 'x'.repeat(8192);

function basic({ id, secret }: { id: string; secret: string }): Record<string, string> {
  return { authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}` };
}

function bearer(accessToken: string): Record<string, string> {
  return { authorization: `Bearer ${accessToken}` };
}

const cookieOf = (token: string) => ({ ...COOKIE, cookie: `__Host-refresh_token=${token}` });
const issue = ({ application }: World) => application.tokens.issue('alice', { scope: 'read' });
const refreshTokenOf = async (world: World) => (await issue(world)).refreshToken;
const authorized = async (world: World) => bearer((await issue(world)).accessToken);

/** As one that was good once. */
async function expired(world: World): Promise<Record<string, string>> {
  const { accessToken } = await issue(world);
  const { iat, exp, ...claims } = decodeJwt(accessToken);
  const token = await new SignJWT({ ...claims, iat: iat! - 3600, exp: exp! - 3600 })
    .setProtectedHeader(decodeProtectedHeader(accessToken) as { alg: string })
    .sign(signingKey);
  return bearer(token);
}

/** With no table there, whatever asks the database fails. */
async function without({ database }: World, ask: () => Promise<Answer>): Promise<Answer> {
  await database.query('alter table refresh_token rename to hidden');
  try {
    return await ask();
  } finally {
    await database.query('alter table hidden rename to refresh_token');
  }
}

/** What is asked until it is not answered any more. */
async function whenStale(world: World, ask: (url: string) => Promise<Answer>): Promise<Answer> {
  return without(world, async () => {
    for (;;) {
      const answer = await ask(world.stale.url);
      if (answer.status >= 500) return answer;
    }
  });
}

/** A body that `send` has no word for. */
async function sendText(url: string): Promise<Answer> {
  const headers = { 'content-type': 'text/plain' };
  const response = await fetch(url, { method: 'POST', headers, body: 'text' });
  const body = JSON.parse(await response.text()) as Record<string, unknown>;
  return { status: response.status, headers: response.headers, body };
}

const at = (path: string) => (world: World) => `${world.application.url}${path}`;
const REFRESH = at('/auth/refresh');
const LOGOUT = at('/auth/logout');
const SESSIONS = at('/auth/sessions');
const REVOCATIONS = at('/auth/revocations');
const TOKEN = at('/oauth/token');

/** What carries a refresh token in either carrier refuses it alike. */
function carrierRefusals(url: (world: World) => string): Request[] {
  return [
    ['400 no_refresh_token', (world) => send(url(world), { method: 'POST' })],
    [
      '400 two_refresh_tokens',
      (world) => send(url(world), { json: { refresh_token: 'one' }, headers: cookieOf('two') }),
    ],
    [
      '400 unknown_carrier',
      (world) => send(url(world), { method: 'POST', headers: { 'x-token-carrier': 'pigeon' } }),
    ],
    ['401 no_cookie', (world) => send(url(world), { method: 'POST', headers: COOKIE })],
    [
      '403 cookie_without_header',
      (world) => send(url(world), { method: 'POST', headers: { cookie: '__Host-refresh_token=one' } }),
    ],
    [
      '403 refused_origin',
      (world) =>
        send(url(world), {
          method: 'POST',
          headers: { ...cookieOf('one'), origin: 'https://evil.test', 'sec-fetch-site': 'cross-site' },
        }),
    ],
    ['413 large_body', (world) => send(url(world), { json: { refresh_token: LARGE } })],
    ['415 other_content_type', (world) => sendText(url(world))],
    ['429 throttled', (world) => send(url(world), { method: 'POST', headers: OFTEN })],
  ];
}

/** What the guard refuses, by whichever method. */
function accessRefusals(url: (world: World) => string, method = 'GET'): Request[] {
  return [
    [
      '400 malformed_authorization',
      (world) => send(url(world), { method, headers: { authorization: 'Bearer a b' } }),
    ],
    ['401 invalid_access_token', (world) => send(url(world), { method, headers: bearer('none') })],
    [
      '401 expired_access_token',
      async (world) => send(url(world), { method, headers: await expired(world) }),
    ],
  ];
}

function sessionRefusals(url: (world: World) => string, method?: string): Request[] {
  return [
    ['401 no_token', (world) => send(url(world), { ...(method && { method }) })],
    ...accessRefusals(url, method),
    ['429 throttled', (world) => send(url(world), { ...(method && { method }), headers: OFTEN })],
    [
      '503 unavailable',
      async (world) => {
        const headers = await authorized(world);
        return without(world, () => send(url(world), { ...(method && { method }), headers }));
      },
    ],
  ];
}

async function usedKey(url: string, world: World, form: Record<string, string>): Promise<Answer> {
  const headers = { 'idempotency-key': randomUUID() };
  const first = await send(url, { form: { ...form, refresh_token: await refreshTokenOf(world) }, headers });
  await world.database.passTime(60);
  return send(url, { form: { ...form, refresh_token: String(first.body['refresh_token']) }, headers });
}

const refresh: Request[] = [
  ['200', async (world) => send(REFRESH(world), { json: { refresh_token: await refreshTokenOf(world) } })],
  ['200', async (world) => send(REFRESH(world), { form: { refresh_token: await refreshTokenOf(world) } })],
  [
    '200',
    async (world) => send(REFRESH(world), { method: 'POST', headers: cookieOf(await refreshTokenOf(world)) }),
  ],
  ...carrierRefusals(REFRESH),
  [
    '400 malformed_key',
    (world) =>
      send(REFRESH(world), { json: { refresh_token: 'x' }, headers: { 'idempotency-key': 'short' } }),
  ],
  ['400 invalid_grant', (world) => send(REFRESH(world), { json: { refresh_token: 'none' } })],
  ['400 invalid_grant', (world) => send(REFRESH(world), { method: 'POST', headers: cookieOf('none') })],
  [
    '401 unknown_client',
    (world) => send(REFRESH(world), { json: { refresh_token: 'none', client_id: 'stranger' } }),
  ],
  [
    '401 refused_credentials',
    (world) => send(REFRESH(world), { json: { refresh_token: 'none' }, headers: STRANGER }),
  ],
  [
    '409 other_session',
    async (world) => {
      const json = { refresh_token: await refreshTokenOf(world), sid: randomUUID() };
      return send(REFRESH(world), { json });
    },
  ],
  ['422 used_key', (world) => usedKey(REFRESH(world), world, {})],
  [
    '503 unavailable',
    async (world) => {
      const json = { refresh_token: await refreshTokenOf(world) };
      return without(world, () => send(REFRESH(world), { json }));
    },
  ],
];

const logout: Request[] = [
  ['204', async (world) => send(LOGOUT(world), { json: { refresh_token: await refreshTokenOf(world) } })],
  [
    '204',
    async (world) => send(LOGOUT(world), { method: 'POST', headers: cookieOf(await refreshTokenOf(world)) }),
  ],
  ['204', async (world) => send(LOGOUT(world), { method: 'POST', headers: await authorized(world) })],
  ...carrierRefusals(LOGOUT),
  ...accessRefusals(LOGOUT, 'POST'),
  [
    '400 token_of_another_client',
    async (world) => {
      const json = { refresh_token: await refreshTokenOf(world), client_id: CLIENT.id };
      return send(LOGOUT(world), { json });
    },
  ],
  [
    '409 other_session',
    async (world) => {
      const json = { refresh_token: await refreshTokenOf(world), sid: randomUUID() };
      return send(LOGOUT(world), { json });
    },
  ],
  [
    '503 unavailable',
    async (world) => {
      const json = { refresh_token: await refreshTokenOf(world) };
      return without(world, () => send(LOGOUT(world), { json }));
    },
  ],
];

const listOfSessions: Request[] = [
  [
    '200',
    async (world) => {
      await issue(world);
      await world.application.tokens.issue('alice', { device: { name: 'phone' } });
      return send(SESSIONS(world), { headers: await authorized(world) });
    },
  ],
  ...sessionRefusals(SESSIONS),
];

/** In a browser: the refresh token in the cookie, the access token in the header. */
async function inBrowser(world: World, ask: (sid: string) => string): Promise<Answer> {
  const { sid, accessToken, refreshToken } = await issue(world);
  const headers = { ...bearer(accessToken), ...cookieOf(refreshToken) };
  return send(ask(sid), { method: 'DELETE', headers });
}

const endOfSessions: Request[] = [
  ['204', (world) => inBrowser(world, () => `${SESSIONS(world)}?include=current`)],
  ['204', async (world) => send(SESSIONS(world), { method: 'DELETE', headers: await authorized(world) })],
  [
    '204',
    async (world) =>
      send(`${SESSIONS(world)}?include=current`, { method: 'DELETE', headers: await authorized(world) }),
  ],
  [
    '400 bad_include',
    async (world) =>
      send(`${SESSIONS(world)}?include=all`, { method: 'DELETE', headers: await authorized(world) }),
  ],
  ...sessionRefusals(SESSIONS, 'DELETE'),
];

const endOfSession: Request[] = [
  ['204', (world) => inBrowser(world, (sid) => `${SESSIONS(world)}/${sid}`)],
  [
    '204',
    async (world) => {
      const { sid, accessToken } = await issue(world);
      return send(`${SESSIONS(world)}/${sid}`, { method: 'DELETE', headers: bearer(accessToken) });
    },
  ],
  [
    '404 unknown_session',
    async (world) =>
      send(`${SESSIONS(world)}/${randomUUID()}`, { method: 'DELETE', headers: await authorized(world) }),
  ],
  ...sessionRefusals((world) => `${SESSIONS(world)}/0194fde8-9000-7000-8000-000000000001`, 'DELETE'),
];

async function revalidated(url: string, headers: Record<string, string> = {}): Promise<Answer> {
  const known = await send(url, { headers });
  return send(url, { headers: { ...headers, 'if-none-match': known.headers.get('etag')! } });
}

const revocations: Request[] = [
  [
    '200',
    async (world) => {
      const { sid } = await issue(world);
      await world.application.tokens.revoke(sid);
      return send(REVOCATIONS(world), { headers: SERVICE });
    },
  ],
  ['200', (world) => send(`${REVOCATIONS(world)}?since=${Date.now()}`, { headers: SERVICE })],
  ['304', (world) => revalidated(`${REVOCATIONS(world)}?since=9999999999999`, SERVICE)],
  ['400 bad_since', (world) => send(`${REVOCATIONS(world)}?since=yesterday`, { headers: SERVICE })],
  ['401 unknown_client', (world) => send(REVOCATIONS(world))],
  ['429 throttled', (world) => send(REVOCATIONS(world), { headers: OFTEN })],
  ['503 stale', (world) => whenStale(world, (url) => send(`${url}/auth/revocations`, { headers: SERVICE }))],
];

/** What every endpoint for standard clients refuses alike. */
function formRefusals(url: (world: World) => string): Request[] {
  return [
    ['401 unknown_client', (world) => send(url(world), { form: { client_id: 'stranger' } })],
    ['413 large_body', (world) => send(url(world), { form: { token: LARGE } })],
    ['415 other_content_type', (world) => send(url(world), { json: {} })],
    ['429 throttled', (world) => send(url(world), { method: 'POST', headers: OFTEN })],
  ];
}

const GRANT = { grant_type: 'refresh_token', client_id: 'default' };

const token: Request[] = [
  [
    '200',
    async (world) => send(TOKEN(world), { form: { ...GRANT, refresh_token: await refreshTokenOf(world) } }),
  ],
  ['400 no_grant_type', (world) => send(TOKEN(world), { form: { client_id: 'default' } })],
  ['400 no_refresh_token', (world) => send(TOKEN(world), { form: GRANT })],
  ['400 cookie_carrier', (world) => send(TOKEN(world), { form: GRANT, headers: COOKIE })],
  ['400 other_grant_type', (world) => send(TOKEN(world), { form: { ...GRANT, grant_type: 'password' } })],
  [
    '400 wider_scope',
    async (world) =>
      send(TOKEN(world), { form: { ...GRANT, refresh_token: await refreshTokenOf(world), scope: 'write' } }),
  ],
  [
    '400 malformed_key',
    (world) =>
      send(TOKEN(world), { form: { ...GRANT, refresh_token: 'x' }, headers: { 'idempotency-key': 'short' } }),
  ],
  ['400 invalid_grant', (world) => send(TOKEN(world), { form: { ...GRANT, refresh_token: 'none' } })],
  ...formRefusals(TOKEN),
  ['401 refused_credentials', (world) => send(TOKEN(world), { form: {}, method: 'POST', headers: STRANGER })],
  ['422 used_key', (world) => usedKey(TOKEN(world), world, GRANT)],
  [
    '503 unavailable',
    async (world) => {
      const form = { ...GRANT, refresh_token: await refreshTokenOf(world) };
      return without(world, () => send(TOKEN(world), { form }));
    },
  ],
];

/** Revocation and introspection ask for a token, and for a client. */
function anyToken(url: (world: World) => string): Request[] {
  return [
    ['400 no_token', (world) => send(url(world), { form: {}, headers: BASIC, method: 'POST' })],
    ...formRefusals(url),
    [
      '503 unavailable',
      async (world) => {
        const form = { token: await refreshTokenOf(world) };
        return without(world, () => send(url(world), { form, headers: BASIC }));
      },
    ],
  ];
}

const REVOKE = at('/oauth/revoke');
const INTROSPECT = at('/oauth/introspect');

const revocation: Request[] = [
  [
    '200',
    async (world) =>
      send(REVOKE(world), { form: { client_id: 'default', token: await refreshTokenOf(world) } }),
  ],
  ['200', (world) => send(REVOKE(world), { form: { token: 'none' }, headers: BASIC })],
  [
    '400 token_of_another_client',
    async (world) => send(REVOKE(world), { form: { token: await refreshTokenOf(world) }, headers: BASIC }),
  ],
  ...anyToken(REVOKE),
  ['401 refused_credentials', (world) => send(REVOKE(world), { form: { token: 'none' }, headers: STRANGER })],
];

const introspection: Request[] = [
  [
    '200 active',
    async (world) =>
      send(INTROSPECT(world), { form: { token: (await issue(world)).accessToken }, headers: SERVICE }),
  ],
  [
    '200 active',
    async (world) => {
      const { refreshToken } = await world.application.tokens.issue('alice', { clientId: CLIENT.id });
      return send(INTROSPECT(world), { form: { token: refreshToken }, headers: BASIC });
    },
  ],
  ['200 inactive', (world) => send(INTROSPECT(world), { form: { token: 'none' }, headers: SERVICE })],
  [
    '200 inactive',
    async (world) =>
      send(INTROSPECT(world), { form: { token: await refreshTokenOf(world) }, headers: SERVICE }),
  ],
  [
    '200 inactive',
    async (world) =>
      send(INTROSPECT(world), { form: { token: (await issue(world)).accessToken }, headers: BASIC }),
  ],
  ...anyToken(INTROSPECT),
];

const LOGIN = at('/auth/login');

const login: Request[] = [
  ['200', (world) => send(LOGIN(world), { json: { username: 'alice' } })],
  ['200', (world) => send(LOGIN(world), { json: { username: 'alice' }, headers: COOKIE })],
  ['200', (world) => send(LOGIN(world), { form: { username: 'alice' }, headers: BASIC })],
  ['400 refused_subject', (world) => send(LOGIN(world), { json: { username: 'nobody' } })],
  [
    '400 unknown_carrier',
    (world) => send(LOGIN(world), { json: { username: 'alice' }, headers: { 'x-token-carrier': 'pigeon' } }),
  ],
  ['401 unknown_client', (world) => send(LOGIN(world), { json: { client_id: 'stranger' } })],
  ['401 refused_credentials', (world) => send(LOGIN(world), { json: {}, headers: STRANGER })],
  [
    '403 refused_origin',
    (world) => send(LOGIN(world), { json: {}, headers: { ...COOKIE, origin: 'https://evil.test' } }),
  ],
  ['413 large_body', (world) => send(LOGIN(world), { json: { username: LARGE } })],
  ['415 other_content_type', (world) => sendText(LOGIN(world))],
  ['503 unavailable', (world) => without(world, () => send(LOGIN(world), { json: { username: 'alice' } }))],
];

const ORDERS = at('/orders');

const JWKS = '/.well-known/jwks.json';
const METADATA = '/.well-known/oauth-authorization-server';

/** Every answer of every operation, by the request that gets it. */
export const REQUESTS: Readonly<Record<string, readonly Request[]>> = {
  'POST /auth/login': login,
  'POST /auth/refresh': refresh,
  'POST /auth/logout': logout,
  'GET /auth/sessions': listOfSessions,
  'DELETE /auth/sessions': endOfSessions,
  'DELETE /auth/sessions/{sid}': endOfSession,
  'GET /auth/revocations': revocations,
  'POST /oauth/token': token,
  'POST /oauth/revoke': revocation,
  'POST /oauth/introspect': introspection,
  [`GET ${JWKS}`]: [
    ['200', (world) => send(at(JWKS)(world))],
    ['304', (world) => revalidated(at(JWKS)(world))],
  ],
  [`GET ${METADATA}`]: [
    ['200', (world) => send(at(METADATA)(world))],
    ['304', (world) => revalidated(at(METADATA)(world))],
    ['404', ({ stale }) => send(`${stale.url}${METADATA}`)],
  ],
  'POST /orders': [
    [
      '201',
      async (world) => {
        const { accessToken } = await world.application.tokens.issue('alice', { scope: 'orders:write' });
        return send(ORDERS(world), { method: 'POST', headers: bearer(accessToken) });
      },
    ],
    ['401 no_token', (world) => send(ORDERS(world), { method: 'POST' })],
    ...accessRefusals(ORDERS, 'POST'),
    [
      '403 missing_scope',
      async (world) => send(ORDERS(world), { method: 'POST', headers: await authorized(world) }),
    ],
    [
      '503 unavailable',
      async (world) => {
        const { accessToken } = await world.stale.tokens.issue('alice', { scope: 'orders:write' });
        const sent = { method: 'POST', headers: bearer(accessToken) };
        return whenStale(world, (url) => send(`${url}/orders`, sent));
      },
    ],
  ],
};
