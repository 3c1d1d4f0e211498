import { randomBytes } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { Module } from '@nestjs/common';
import { APP_GUARD, NestFactory } from '@nestjs/core';
import {
  AccessGuard,
  AuthModule,
  TokenService,
  type AuthModuleExtras,
  type ClientOptions,
  type TokenFamilyOptions,
} from 'nestjs-token-family';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { send } from '../support/http.js';
import { options, startNode, type Adapter, type TestNode } from '../support/node.js';

const METADATA = '/.well-known/oauth-authorization-server';
const secret = randomBytes(32).toString('base64');
const WITH_SECRET = ['client_secret_basic', 'client_secret_post'];
const BACKEND: ClientOptions = { id: 'backend', secret };
const DEFAULT_WITH_SECRET: ClientOptions = { id: 'default', secret };
const REPORTS = { id: 'reports', secret };

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database.drop());

async function withNode(
  changes: Partial<TokenFamilyOptions>,
  extras: AuthModuleExtras,
  rules: (node: TestNode) => Promise<void>,
  adapter: Adapter = 'express',
): Promise<void> {
  const node = await startNode({ url: database.url, options: options(changes), extras, adapter });
  try {
    await rules(node);
  } finally {
    await node.close();
  }
}

async function metadataOf(node: TestNode): Promise<Record<string, unknown>> {
  return (await send(`${node.url}${METADATA}`)).body;
}

test.each<[string, Partial<TokenFamilyOptions>, object]>([
  ['public clients alone', {}, { token: ['none'], introspection: undefined }],
  [
    'a client with a secret',
    { clients: [BACKEND] },
    { token: ['none', ...WITH_SECRET], introspection: WITH_SECRET },
  ],
  [
    'clients with secrets alone',
    { clients: [DEFAULT_WITH_SECRET, BACKEND] },
    { token: WITH_SECRET, introspection: WITH_SECRET },
  ],
  ['a resource server', { resourceServers: [REPORTS] }, { token: ['none'], introspection: WITH_SECRET }],
])('with %s the metadata names how to authenticate, and no more', async (_, changes, expected) => {
  await withNode(changes, {}, async (node) => {
    const metadata = await metadataOf(node);
    expect({
      token: metadata['token_endpoint_auth_methods_supported'],
      introspection: metadata['introspection_endpoint_auth_methods_supported'],
    }).toEqual(expected);
    expect(metadata['revocation_endpoint_auth_methods_supported']).toEqual(
      metadata['token_endpoint_auth_methods_supported'],
    );
    expect('introspection_endpoint' in metadata).toBe(
      'introspection_endpoint_auth_methods_supported' in metadata,
    );
    for (const value of Object.values(metadata)) expect(value).not.toEqual([]);
  });
});

test.each<[string, AuthModuleExtras, string, Adapter]>([
  ['by default', {}, '/oauth', 'express'],
  ['by default', {}, '/oauth', 'fastify'],
  ['whatever the prefix of the other routes', { routes: { prefix: 'session' } }, '/oauth', 'express'],
  ['beside them under one prefix', { routes: { prefix: 'oauth' } }, '/oauth', 'express'],
  ['under a prefix of their own', { routes: { oauthPrefix: 'sso/oauth2' } }, '/sso/oauth2', 'express'],
  ['under a prefix of their own', { routes: { oauthPrefix: 'sso/oauth2' } }, '/sso/oauth2', 'fastify'],
])('the endpoints are where the metadata says, %s', async (_, extras, prefix, adapter) => {
  const changes = { clients: [BACKEND] };
  await withNode(
    changes,
    extras,
    async (node) => {
      const metadata = await metadataOf(node);
      const path = (name: string) => new URL(String(metadata[`${name}_endpoint`])).pathname;
      expect(['token', 'revocation', 'introspection'].map(path)).toEqual(
        ['token', 'revoke', 'introspect'].map((name) => `${prefix}/${name}`),
      );
      const { refreshToken } = await node.tokens.issue('alice', { clientId: 'backend' });
      const credentials = { client_id: 'backend', client_secret: secret };
      const grant = { grant_type: 'refresh_token', refresh_token: refreshToken, ...credentials };
      const answer = await send(node.url + path('token'), { form: grant });
      expect(answer.status).toBe(200);
      const about = { token: String(answer.body['access_token']), ...credentials };
      expect((await send(node.url + path('introspection'), { form: about })).body['active']).toBe(true);
      expect((await send(node.url + path('revocation'), { form: about })).status).toBe(200);
      expect((await send(node.url + path('introspection'), { form: about })).body).toEqual({ active: false });
    },
    adapter,
  );
});

test('a guard of the whole application lets standard clients through', async () => {
  @Module({
    imports: [AuthModule.forRoot({ ...options({ clients: [BACKEND] }), routes: true, store: 'memory' })],
    providers: [{ provide: APP_GUARD, useExisting: AccessGuard }],
  })
  class GuardedModule {}
  const app = await NestFactory.create(GuardedModule, { logger: false });
  try {
    await app.listen(0, '127.0.0.1');
    const { port } = app.getHttpServer().address() as AddressInfo;
    const { accessToken, refreshToken } = await app
      .get(TokenService)
      .issue('alice', { clientId: 'backend', scope: 'read write' });
    const credentials = { client_id: 'backend', client_secret: secret };
    const post = (path: string, form: Record<string, string>) =>
      send(`http://127.0.0.1:${port}/oauth/${path}`, { form: { ...form, ...credentials } });
    const grant = { grant_type: 'refresh_token', refresh_token: refreshToken, scope: 'read' };
    expect((await post('token', grant)).body['scope']).toBe('read');
    expect((await post('introspect', { token: accessToken })).body['active']).toBe(true);
    expect((await post('revoke', { token: accessToken })).status).toBe(200);
    expect((await post('token', grant)).body['error']).toBe('invalid_grant');
  } finally {
    await app.close();
  }
});

test('without routes there are neither endpoints nor metadata', async () => {
  await withNode({}, { routes: false }, async (node) => {
    expect((await send(`${node.url}${METADATA}`)).status).toBe(404);
    for (const path of ['token', 'revoke', 'introspect']) {
      expect((await send(`${node.url}/oauth/${path}`, { form: { client_id: 'default' } })).status).toBe(404);
    }
  });
});

test('where tokens are in cookies alone there is no token endpoint, and none hands them out', async () => {
  const refreshToken = { ...options().refreshToken, carrier: 'cookie' } as const;
  await withNode({ refreshToken }, {}, async (node) => {
    const metadata = await metadataOf(node);
    expect(metadata).not.toHaveProperty('token_endpoint');
    expect(metadata).toHaveProperty('revocation_endpoint');
    const pair = await node.tokens.issue('alice');
    const form = { grant_type: 'refresh_token', refresh_token: pair.refreshToken, client_id: 'default' };
    const answer = await send(`${node.url}/oauth/token`, { form });
    expect([answer.status, answer.body['error']]).toEqual([400, 'invalid_request']);
    expect(JSON.stringify(answer.body)).not.toContain('rt1_');
    const headers = { 'x-token-carrier': 'cookie', cookie: `__Host-refresh_token=${pair.refreshToken}` };
    expect((await send(`${node.url}/auth/refresh`, { method: 'POST', headers })).status).toBe(200);
  });
});
