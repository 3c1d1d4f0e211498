import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { VersioningType, type INestApplication } from '@nestjs/common';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import * as oauth from 'oauth4webapi';
import { createDatabase, type TestDatabase } from './support/database.js';
import { refresh, send } from './support/http.js';
import { options, signingKey, startNode } from './support/node.js';
import { onBothAdapters } from './support/on-both-adapters.js';

const JWKS = '/.well-known/jwks.json';
const METADATA = '/.well-known/oauth-authorization-server';
const other = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const keys = [signingKey, other.privateKey];

onBothAdapters({ options: options({ accessToken: { keys } }) }, (fixture) => {
  const get = (path: string, headers: Record<string, string> = {}) =>
    fetch(`${fixture.node.url}${path}`, { headers });

  test('every key is published, the public members alone', async () => {
    const answer = await get(JWKS);
    const { keys: published } = (await answer.json()) as { keys: Record<string, string>[] };
    expect(answer.status).toBe(200);
    expect(published).toHaveLength(2);
    for (const key of published) {
      expect(Object.keys(key).toSorted()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']);
      expect(key).toMatchObject({ alg: 'ES256', use: 'sig', kty: 'EC', crv: 'P-256' });
    }
  });

  test('it is JSON that nobody sniffs and everybody may keep for a while', async () => {
    const { headers } = await get(JWKS);
    expect(headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('cache-control')).toBe('public, max-age=300');
  });

  test.each([
    ['the same tag', (tag: string) => tag],
    ['a weak tag of it', (tag: string) => `W/${tag}`],
    ['a list with it', (tag: string) => `"other", ${tag}`],
    ['any tag', () => '*'],
  ])('%s gets 304 and no body', async (_, form) => {
    const tag = (await get(JWKS)).headers.get('etag')!;
    const answer = await get(JWKS, { 'if-none-match': form(tag) });
    expect({ status: answer.status, body: await answer.text() }).toEqual({ status: 304, body: '' });
    expect(answer.headers.get('etag')).toBe(tag);
    expect((await get(JWKS, { 'if-none-match': '"other"' })).status).toBe(200);
  });

  test('a callback is not listened to, and nothing but GET and HEAD is answered', async () => {
    const plain = await (await get(JWKS)).text();
    expect(await (await get(`${JWKS}?callback=evil`)).text()).toBe(plain);
    expect((await fetch(`${fixture.node.url}${JWKS}`, { method: 'HEAD' })).status).toBe(200);
    expect((await fetch(`${fixture.node.url}${JWKS}`, { method: 'POST' })).status).toBe(404);
  });

  test('jose verifies our tokens with nothing but the address', async () => {
    const { accessToken } = await fixture.node.tokens.issue('alice');
    const set = createRemoteJWKSet(new URL(`${fixture.node.url}${JWKS}`));
    const { payload } = await jwtVerify(accessToken, set, {
      issuer: 'https://issuer.test',
      audience: 'https://api.test',
      typ: 'at+jwt',
      algorithms: ['ES256'],
    });
    expect(payload.sub).toBe('alice');
  });

  test('the metadata names what there is, and what is empty is left out', async () => {
    const answer = await get(METADATA);
    expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(await answer.json()).toEqual({
      issuer: 'https://issuer.test',
      jwks_uri: 'https://issuer.test/.well-known/jwks.json',
      token_endpoint: 'https://issuer.test/oauth/token',
      token_endpoint_auth_methods_supported: ['none'],
      grant_types_supported: ['refresh_token'],
      revocation_endpoint: 'https://issuer.test/oauth/revoke',
      revocation_endpoint_auth_methods_supported: ['none'],
    });
    expect((await get(`${METADATA}/elsewhere`)).status).toBe(404);
  });
});

describe('an issuer', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createDatabase();
  });
  afterAll(() => database.drop());

  test.each(['express', 'fastify'] as const)(
    'with a path has its metadata below the well-known one, on %s',
    async (adapter) => {
      const node = await startNode({
        url: database.url,
        adapter,
        options: options({ issuer: 'https://issuer.test/tenant' }),
        extras: { routes: { prefix: 'session', baseUrl: 'https://sessions.test/' } },
      });
      try {
        expect((await fetch(`${node.url}${METADATA}`)).status).toBe(404);
        expect(await (await fetch(`${node.url}${METADATA}/tenant`)).json()).toMatchObject({
          issuer: 'https://issuer.test/tenant',
          jwks_uri: 'https://sessions.test/.well-known/jwks.json',
          token_endpoint: 'https://sessions.test/oauth/token',
        });
      } finally {
        await node.close();
      }
    },
  );

  const below = (prefix: string) => `https://issuer.test${prefix}`;
  test.each<
    [title: string, prefixes: [wellKnown: string, others: string], configure: (app: INestApplication) => void]
  >([
    ['a global prefix', ['/api', '/api'], (app) => void app.setGlobalPrefix('api')],
    [
      'a global prefix that leaves the well-known ones out',
      ['', '/api'],
      (app) =>
        void app.setGlobalPrefix('api', {
          exclude: ['.well-known/jwks.json', '.well-known/oauth-authorization-server'],
        }),
    ],
    [
      'versions in the address',
      ['', ''],
      (app) => void app.enableVersioning({ type: VersioningType.URI, defaultVersion: '1' }),
    ],
    [
      'versions in a header',
      ['', ''],
      (app) =>
        void app.enableVersioning({ type: VersioningType.HEADER, header: 'x-version', defaultVersion: '1' }),
    ],
  ])('behind %s says where its routes are, and there they are', async (_, [wellKnown, others], configure) => {
    const routes = { baseUrl: below(others), wellKnownUrl: below(wellKnown) };
    const node = await startNode({ url: database.url, configure, extras: { routes } });
    try {
      const metadata = (await (await fetch(`${node.url}${wellKnown}${METADATA}`)).json()) as Record<
        string,
        string
      >;
      expect(metadata).toMatchObject({
        jwks_uri: `${below(wellKnown)}${JWKS}`,
        token_endpoint: `${below(others)}/oauth/token`,
        revocation_endpoint: `${below(others)}/oauth/revoke`,
      });
      const at = (address: string) => address.replace('https://issuer.test', node.url);
      expect((await fetch(at(metadata['jwks_uri']!))).status).toBe(200);
      const { refreshToken } = await node.tokens.issue('alice');
      const token = await send(at(metadata['token_endpoint']!), {
        form: { grant_type: 'refresh_token', client_id: 'default', refresh_token: refreshToken },
      });
      expect(token.status).toBe(200);
      expect(
        (await refresh({ url: `${node.url}${others}` }, String(token.body['refresh_token']))).status,
      ).toBe(200);
    } finally {
      await node.close();
    }
  });

  test('that is no URL has no metadata, and a shared secret is never published', async () => {
    const accessToken = { algorithm: 'HS256', keys: [randomBytes(32)] } as const;
    const node = await startNode({ url: database.url, options: options({ issuer: 'ours', accessToken }) });
    try {
      expect((await fetch(`${node.url}${METADATA}`)).status).toBe(404);
      expect(await (await fetch(`${node.url}${JWKS}`)).json()).toEqual({ keys: [] });
    } finally {
      await node.close();
    }
  });

  test('is discovered, refreshed at and believed by a standard client', async () => {
    const port = 20_000 + (process.pid % 20_000);
    const issuer = `http://127.0.0.1:${port}`;
    const node = await startNode({ url: database.url, port, options: options({ issuer }) });
    try {
      const insecure = { [oauth.allowInsecureRequests]: true };
      const server = await oauth.processDiscoveryResponse(
        new URL(issuer),
        await oauth.discoveryRequest(new URL(issuer), { algorithm: 'oauth2', ...insecure }),
      );
      const client: oauth.Client = { client_id: 'default' };
      const { refreshToken, sid } = await node.tokens.issue('alice');
      const refreshed = await oauth.processRefreshTokenResponse(
        server,
        client,
        await oauth.refreshTokenGrantRequest(server, client, oauth.None(), refreshToken, insecure),
      );
      const request = new Request(`${issuer}/me`, {
        headers: { authorization: `Bearer ${refreshed.access_token}` },
      });
      const claims = await oauth.validateJwtAccessToken(server, request, 'https://api.test', insecure);
      expect(claims).toMatchObject({ sub: 'alice', sid, client_id: 'default' });
    } finally {
      await node.close();
    }
  });
});
