import { DocumentBuilder, type OpenAPIObject } from '@nestjs/swagger';
import { Validator } from '@seriousme/openapi-schema-validator';
import type { AuthModuleExtras } from 'nestjs-token-family';
import { startApplication, type Application } from './application.js';
import { operationsOf, type DescribedOperation } from './conformity.js';

const OURS = [
  'POST /auth/refresh',
  'POST /auth/logout',
  'GET /auth/sessions',
  'DELETE /auth/sessions',
  'DELETE /auth/sessions/{sid}',
  'GET /auth/revocations',
  'POST /oauth/token',
  'POST /oauth/revoke',
  'POST /oauth/introspect',
  'GET /.well-known/jwks.json',
  'GET /.well-known/oauth-authorization-server',
];
const COOKIE = { refresh_cookie: [], token_carrier: [] };

let application: Application;
let operations: Map<string, DescribedOperation>;
beforeAll(async () => {
  application = await startApplication();
  operations = operationsOf(application.document);
});
afterAll(() => application?.close());

const builder = () => new DocumentBuilder().setTitle('Test').setVersion('1');
const operation = (name: string): DescribedOperation => operations.get(name)!;

/** Every object in it that is an example, wherever it stands. */
function* examplesIn(value: unknown): Generator {
  if (typeof value !== 'object' || value === null) return;
  for (const [name, member] of Object.entries(value)) {
    if (name === 'example' || name === 'examples') yield member;
    yield* examplesIn(member);
  }
}

describe('the document', () => {
  test.each(['3.0.0', '3.0.4', '3.1.0', '3.1.1'])('is one of OpenAPI %s', async (version) => {
    const document = application.describe(builder().setOpenAPIVersion(version));
    const { valid, errors } = await new Validator().validate(JSON.parse(JSON.stringify(document)));
    expect({ valid, errors }).toEqual({ valid: true, errors: undefined });
  });

  test('has every route that is mounted, and no other', () => {
    const below = '/.well-known/oauth-authorization-server/';
    const mounted = application.mapped.filter((route) => !route.includes(below));
    expect(application.mapped.length - mounted.length).toBe(3);
    expect([...operations.keys()].toSorted()).toEqual(mounted.toSorted());
    expect(mounted).toEqual(expect.arrayContaining(OURS));
  });

  test.each<[AuthModuleExtras['routes'], string | undefined, string, string]>([
    [{ prefix: 'session' }, undefined, '/session/refresh', '/oauth/token'],
    [{ oauthPrefix: 'standard' }, undefined, '/auth/refresh', '/standard/token'],
    [true, 'api', '/api/auth/refresh', '/api/oauth/token'],
  ])('names the routes where %j and the prefix %s mount them', async (routes, prefix, ...paths) => {
    const other = await startApplication({ routes, ...(prefix && { globalPrefix: prefix }) });
    try {
      expect(Object.keys(other.document.paths)).toEqual(expect.arrayContaining([...paths]));
      const bodies = (document: OpenAPIObject, path: string) => document.paths[path]!.post;
      expect({ ...bodies(other.document, paths[0]), operationId: '' }).toEqual({
        ...bodies(application.document, '/auth/refresh'),
        operationId: '',
      });
    } finally {
      await other.close();
    }
  });

  test('has none of the routes that are not mounted', async () => {
    const other = await startApplication({ routes: false });
    const names = [...operationsOf(other.document).keys()];
    await other.close();
    expect(names.filter((name) => OURS.includes(name))).toEqual([]);
  });

  test('is the same, however often the routes are described', () => {
    application.describe(builder());
    expect(application.describe(builder())).toEqual(application.document);
  });

  test('leaves the ids of operations to the application', () => {
    const ids = [...operations.values()].map(({ operationId }) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
    const operationIdFactory = (controller: string, method: string) => `${method}Of${controller}`;
    const named = application.describe(builder(), { operationIdFactory });
    expect(named.paths['/auth/refresh']?.post?.operationId).toBe('refreshOfRefreshController');
    expect(named.paths['/oauth/token']?.post?.operationId).toBe('tokenOfTokenController');
  });

  test('tells of every route of ours what it does, and of every answer when it comes', () => {
    for (const name of OURS) {
      expect([name, operation(name).summary]).toEqual([name, expect.stringMatching(/\w/)]);
      for (const [status, { description }] of Object.entries(operation(name).responses)) {
        expect([name, status, description]).toEqual([name, status, expect.stringMatching(/\w/)]);
      }
    }
  });

  test.each<[name: string, isAlways: boolean]>([
    ['POST /auth/refresh', false],
    ['POST /oauth/token', false],
    ['POST /oauth/revoke', false],
    ['POST /auth/login', false],
    ['POST /oauth/introspect', true],
    ['GET /auth/revocations', true],
  ])('tells of %s whether every 401 is a challenge: %s', (name, isAlways) => {
    const { headers } = operation(name).responses['401']!;
    expect(headers!['WWW-Authenticate']!.required).toBe(isAlways);
  });

  test('has an example of every error there is', () => {
    const words = [...examplesIn(application.document)].map((example) => JSON.stringify(example)).join();
    const told = new Set([...words.matchAll(/"error":"(\w+)"/g)].map(([, word]) => word!));
    expect([...told].toSorted()).toEqual([
      'insufficient_scope',
      'insufficient_user_authentication',
      'invalid_client',
      'invalid_grant',
      'invalid_request',
      'invalid_scope',
      'invalid_token',
      'not_found',
      'session_mismatch',
      'temporarily_unavailable',
      'unauthorized',
      'unsupported_grant_type',
    ]);
  });

  test('has nothing in it that looks like a token or a secret', () => {
    const examples = JSON.stringify([...examplesIn(application.document)]);
    expect(examples).toContain('<refresh token>');
    expect(examples).not.toMatch(/eyJ|rt1_|[A-Za-z0-9+/_-]{40,}/);
  });
});

describe('credentials', () => {
  test('are of four kinds', () => {
    expect(application.document.components?.securitySchemes).toEqual({
      bearer: expect.objectContaining({ type: 'http', scheme: 'bearer', bearerFormat: 'JWT' }),
      refresh_cookie: expect.objectContaining({ type: 'apiKey', in: 'cookie', name: '__Host-refresh_token' }),
      token_carrier: expect.objectContaining({ type: 'apiKey', in: 'header', name: 'X-Token-Carrier' }),
      client: expect.objectContaining({ type: 'http', scheme: 'basic' }),
    });
  });

  test.each([
    ['POST /auth/refresh', [{}, COOKIE, { client: [] }]],
    ['POST /auth/logout', [{}, COOKIE, { bearer: [] }]],
    ['GET /auth/sessions', [{ bearer: [] }]],
    ['DELETE /auth/sessions', [{ bearer: [] }]],
    ['DELETE /auth/sessions/{sid}', [{ bearer: [] }]],
    ['GET /auth/revocations', [{ client: [] }]],
    ['POST /oauth/token', [{}, { client: [] }]],
    ['POST /oauth/revoke', [{}, { client: [] }]],
    ['POST /oauth/introspect', [{ client: [] }, {}]],
    ['GET /.well-known/jwks.json', [{}]],
    ['GET /.well-known/oauth-authorization-server', [{}]],
    ['POST /auth/login', [{}, { client: [] }]],
  ])('of %s are %j', (name, security) => {
    expect(sorted(operation(name).security)).toEqual(sorted(security));
  });
});

/** A requirement more or less counts, their order does not. */
function sorted(requirements: readonly object[] | undefined): string[] | undefined {
  return requirements?.map((each) => JSON.stringify(each)).toSorted();
}

describe('a request', () => {
  test.each([
    ['POST /auth/refresh', ['application/json', 'application/x-www-form-urlencoded']],
    ['POST /auth/logout', ['application/json', 'application/x-www-form-urlencoded']],
    ['POST /oauth/token', ['application/x-www-form-urlencoded']],
    ['POST /oauth/revoke', ['application/x-www-form-urlencoded']],
    ['POST /oauth/introspect', ['application/x-www-form-urlencoded']],
    ['POST /auth/login', ['application/json', 'application/x-www-form-urlencoded']],
  ])('to %s has a body of %j', (name, types) => {
    expect(Object.keys(operation(name).requestBody?.content ?? {})).toEqual(types);
  });

  test.each([
    ['POST /auth/refresh', ['X-Token-Carrier', 'Idempotency-Key']],
    ['POST /auth/logout', ['X-Token-Carrier']],
    ['POST /auth/login', ['X-Token-Carrier']],
    ['POST /oauth/token', ['Idempotency-Key']],
    ['GET /auth/revocations', ['If-None-Match', 'since']],
    ['GET /.well-known/jwks.json', ['If-None-Match']],
    ['DELETE /auth/sessions', ['X-Token-Carrier', 'include']],
    ['DELETE /auth/sessions/{sid}', ['X-Token-Carrier', 'sid']],
    ['GET /auth/sessions', []],
  ])('to %s has the parameters %j', (name, parameters) => {
    const named = (operation(name).parameters ?? []).map((parameter) => parameter.name);
    expect(named.toSorted()).toEqual(parameters.toSorted());
  });
});

describe("a route of the application's own", () => {
  test.each([
    ['without a word more', 'GET /orders', [{ bearer: [] }], ['200', '400', '401', '503']],
    ['that asks for a scope', 'POST /orders', [{ bearer: [] }], ['201', '400', '401', '403', '503']],
    ['that asks for a fresh login', 'DELETE /orders', [{ bearer: [] }], ['200', '400', '401', '503']],
    [
      'that takes a token or none',
      'GET /orders/catalogue',
      [{}, { bearer: [] }],
      ['200', '400', '401', '503'],
    ],
    ['that is open', 'GET /orders/health', [{}], ['200']],
    ['that a class it extends has', 'GET /orders/inherited', [{ bearer: [] }], ['200', '400', '401', '503']],
    ['marked itself', 'GET /me', [{ bearer: [] }], ['200', '400', '401', '403', '503']],
    ['beside it, not marked', 'GET /me/undescribed', undefined, ['200']],
  ])('%s is described by what it demands', (_, name, security, statuses) => {
    const described = operation(name);
    expect(sorted(described.security)).toEqual(sorted(security));
    expect(Object.keys(described.responses).toSorted()).toEqual(statuses);
  });

  test.each([
    ['POST /orders', '403', { error: 'insufficient_scope', scope: 'orders:write' }],
    ['GET /me', '403', { error: 'insufficient_scope', scope: 'read' }],
    ['DELETE /orders', '401', { error: 'insufficient_user_authentication', max_age: 300 }],
  ])('has in %s %s what was demanded', (name, status, told) => {
    const { examples } = operation(name).responses[status]!.content!['application/json']!;
    expect(Object.values(examples!)).toContainEqual(
      expect.objectContaining({ value: expect.objectContaining(told) }),
    );
  });

  test('keeps what the plugin of @nestjs/swagger has read from its types', () => {
    const { responses } = operation('GET /orders/described-by-plugin');
    expect(responses['200']!.content!['application/json']!.schema).toEqual({
      type: 'array',
      items: { type: 'string' },
    });
    expect(Object.keys(responses).toSorted()).toEqual(['200', '400', '401', '503']);
  });

  test('that takes no token is not told of one that is missing', () => {
    const { examples } = operation('GET /orders/catalogue').responses['401']!.content!['application/json']!;
    expect(Object.keys(examples!).toSorted()).toEqual(['expired_access_token', 'invalid_access_token']);
  });
});
