import { randomUUID } from 'node:crypto';
import { Controller, Get, Module, UseGuards, type DynamicModule } from '@nestjs/common';
import { AuthModule } from 'nestjs-token-family';
import { AccessGuard, ConfigError, ResourceServerModule, Strict } from 'nestjs-token-family/resource-server';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { me, send, type Answer } from '../support/http.js';
import { baseOptions, options, startNode, type TestNode } from '../support/node.js';
import { issuerKey, startIssuer, type FakeIssuer, type IssuerKey } from './issuer.js';
import { serve, startResourceServer, type ResourceNode } from './node.js';

const bearer = (node: { url: string }, path: string, token: string): Promise<Answer> =>
  send(`${node.url}${path}`, { headers: { authorization: `Bearer ${token}` } });

describe.each(['express', 'fastify'] as const)('a service that only verifies, on %s', (adapter) => {
  let database: TestDatabase;
  let issuer: TestNode;
  let resource: ResourceNode;
  beforeAll(async () => {
    database = await createDatabase();
    issuer = await startNode({ url: database.url, options: options({ audience: ['reports', 'other'] }) });
    const jwksUri = `${issuer.url}/.well-known/jwks.json`;
    resource = await startResourceServer(
      { issuer: 'https://issuer.test', audience: 'reports', jwksUri },
      adapter,
    );
  });
  afterAll(async () => {
    await resource.close();
    await issuer.close();
    await database.drop();
  });

  test('believes the tokens of the issuer, by the same rules and with the same answers', async () => {
    const { accessToken, refreshToken, sid } = await issuer.tokens.issue('alice');
    expect(await me(resource, accessToken)).toMatchObject({ status: 200, body: { sub: 'alice', sid } });
    const atIssuer = await me(issuer, `${accessToken.slice(0, -4)}AAAA`);
    const here = await me(resource, `${accessToken.slice(0, -4)}AAAA`);
    expect({ status: here.status, body: here.body }).toEqual({ status: 401, body: atIssuer.body });
    expect(here.headers.get('www-authenticate')).toBe(atIssuer.headers.get('www-authenticate'));
    expect((await me(resource, refreshToken)).status).toBe(401);
    expect((await send(`${resource.url}/me`)).headers.get('www-authenticate')).toBe('Bearer realm="api"');
  });

  test('asks for scope', async () => {
    const [reader, other] = [
      await issuer.tokens.issue('alice', { scope: 'reports:read' }),
      await issuer.tokens.issue('alice', { scope: 'reports:readers' }),
    ];
    expect((await bearer(resource, '/reports', reader.accessToken)).status).toBe(200);
    const refused = await bearer(resource, '/reports', other.accessToken);
    expect(refused).toMatchObject({ status: 403, body: { error: 'insufficient_scope' } });
    expect(refused.headers.get('www-authenticate')).toMatch(/scope="reports:read"$/);
  });

  test('has no database to ask: a strict route is unavailable, not open', async () => {
    const { accessToken } = await issuer.tokens.issue('alice');
    expect((await bearer(resource, '/strict', accessToken)).status).toBe(503);
  });
});

describe('two issuers', () => {
  let one: FakeIssuer;
  let two: FakeIssuer;
  let keyOfOne: IssuerKey;
  let keyOfTwo: IssuerKey;
  const trust = ({ issuer, jwksUri }: FakeIssuer) => ({ issuer, jwksUri, audience: 'api' });

  beforeEach(async () => {
    [one, two] = [await startIssuer(), await startIssuer()];
    [keyOfOne, keyOfTwo] = [await issuerKey(), await issuerKey()];
    one.publish(keyOfOne.jwk);
    two.publish(keyOfTwo.jwk);
  });
  afterEach(() => Promise.all([one.close(), two.close()]));

  test('on one route are both believed, each with its own keys alone', async () => {
    const resource = await startResourceServer({ issuers: [trust(one), trust(two)] });
    try {
      expect((await me(resource, await one.token(keyOfOne))).status).toBe(200);
      expect((await me(resource, await two.token(keyOfTwo))).status).toBe(200);
      expect((await me(resource, await one.token(keyOfTwo))).status).toBe(401);
      expect((await me(resource, await two.token(keyOfOne))).status).toBe(401);
      expect((await me(resource, await two.token(keyOfTwo, { iss: one.issuer }))).status).toBe(401);
    } finally {
      await resource.close();
    }
  });

  test('one that gives its key the name of the other one’s takes nothing from it', async () => {
    const impostor = await issuerKey(keyOfOne.kid);
    two.publish(impostor.jwk);
    const resource = await startResourceServer({ issuers: [trust(two), trust(one)] });
    try {
      expect((await me(resource, await one.token(keyOfOne))).status).toBe(200);
      expect((await me(resource, await two.token(impostor))).status).toBe(200);
      expect((await me(resource, await one.token(impostor))).status).toBe(401);
    } finally {
      await resource.close();
    }
  });

  test('one that has just published a key is asked for it by the first token that names it', async () => {
    const jwks = { coolDown: 0.05 };
    const resource = await startResourceServer({ issuers: [trust(one), trust(two)], jwks });
    try {
      const next = await issuerKey();
      one.publish(keyOfOne.jwk, next.jwk);
      const token = await one.token(next);
      let { status } = await me(resource, token);
      for (const end = Date.now() + 5_000; status !== 200 && Date.now() < end;) {
        ({ status } = await me(resource, token));
      }
      expect(status).toBe(200);
      expect((await me(resource, await one.token(keyOfOne))).status).toBe(200);
    } finally {
      await resource.close();
    }
  });

  test('that publish one key are told apart by what it signed', async () => {
    two.publish(keyOfOne.jwk);
    const resource = await startResourceServer({ issuers: [trust(one), trust(two)] });
    try {
      expect((await me(resource, await one.token(keyOfOne))).status).toBe(200);
      expect((await me(resource, await two.token(keyOfOne))).status).toBe(200);
      expect((await me(resource, await two.token(keyOfOne, { iss: 'elsewhere' }))).status).toBe(401);
    } finally {
      await resource.close();
    }
  });

  test('side by side in two modules keep to their own routes', async () => {
    const feature = (path: string, issuer: FakeIssuer) => {
      @Controller(path)
      @UseGuards(AccessGuard)
      class FeatureController {
        @Get('me')
        me(): string {
          return path;
        }
      }
      @Module({
        imports: [ResourceServerModule.forRoot({ ...trust(issuer), isGlobal: false })],
        controllers: [FeatureController],
      })
      class FeatureModule {}
      return FeatureModule;
    };
    @Module({ imports: [feature('one', one), feature('two', two)] })
    class BothModule {}
    const node = await serve(BothModule);
    const status = async (path: string, token: string) => {
      const answer = await fetch(`${node.url}/${path}/me`, { headers: { authorization: `Bearer ${token}` } });
      return answer.status;
    };
    try {
      const tokens = { one: await one.token(keyOfOne), two: await two.token(keyOfTwo) };
      expect(await status('one', tokens.one)).toBe(200);
      expect(await status('two', tokens.two)).toBe(200);
      expect(await status('one', tokens.two)).toBe(401);
      expect(await status('two', tokens.one)).toBe(401);
    } finally {
      await node.close();
    }
  });
});

describe('beside an AuthModule', () => {
  const trusted = { issuer: 'https://partner.test', audience: 'api' };
  let key: IssuerKey;
  let partner: FakeIssuer;
  beforeAll(async () => {
    [key, partner] = [await issuerKey(), await startIssuer()];
  });
  afterAll(() => partner.close());

  test.each([
    ['first', (auth: DynamicModule, resource: DynamicModule) => [resource, auth]],
    ['second', (auth: DynamicModule, resource: DynamicModule) => [auth, resource]],
  ])(
    'both global, imported %s, it does not start: the order must not decide who guards',
    async (_, order) => {
      const auth = AuthModule.forRoot({ ...baseOptions, store: 'memory' });
      const resource = ResourceServerModule.forRoot({ ...trusted, keys: [key.jwk] });
      @Module({ imports: order(auth, resource) })
      class BothModule {}
      await expect(serve(BothModule)).rejects.toThrow(/isGlobal: false/);
    },
  );

  test('not global, it guards its own controllers with its own issuer, and asks no database of another', async () => {
    @Controller('partner')
    @UseGuards(AccessGuard)
    class PartnerController {
      @Get()
      all(): string {
        return 'all';
      }

      @Get('strict')
      @Strict()
      strict(): string {
        return 'strict';
      }
    }
    @Module({
      imports: [ResourceServerModule.forRoot({ ...trusted, keys: [key.jwk], isGlobal: false })],
      controllers: [PartnerController],
    })
    class PartnerModule {}
    @Module({ imports: [AuthModule.forRoot({ ...baseOptions, store: 'memory' }), PartnerModule] })
    class BothModule {}
    const node = await serve(BothModule);
    try {
      const token = await partner.token(key, { iss: trusted.issuer });
      expect(
        (await fetch(`${node.url}/partner`, { headers: { authorization: `Bearer ${token}` } })).status,
      ).toBe(200);
      expect((await bearer(node, '/partner/strict', token)).status).toBe(503);
    } finally {
      await node.close();
    }
  });
});

describe('its options', () => {
  const issuer = 'https://issuer.test';
  const jwksUri = 'https://issuer.test/keys';
  const faultsOf = async (bad: object): Promise<readonly string[]> => {
    const start = startResourceServer(bad as never).then((node) => node.close());
    const error: unknown = await start.catch((reason: unknown) => reason);
    return error instanceof ConfigError ? error.faults : [];
  };

  test('every fault is told at once, with its remedy', async () => {
    expect(
      await faultsOf({
        issuers: [{ issuer: '', audience: 'api', jwksUri: 'http://elsewhere.test/keys', scope: 'x' }, {}],
        clockTolerance: 'long',
        jwks: { refreshInterval: '2d' },
      }),
    ).toEqual([
      expect.stringMatching(/^issuers\.0\.issuer must/),
      expect.stringMatching(/^issuers\.1\.issuer must/),
      expect.stringMatching(/^issuers\.1\.audience must/),
      expect.stringMatching(/^jwks\.refreshInterval must/),
      expect.stringMatching(/^clockTolerance must/),
      expect.stringMatching(/^issuers\.0\.scope is not an option/),
      expect.stringMatching(/^issuers\.0\.jwksUri must be https/),
      expect.stringMatching(/^issuers\.1\.jwksUri or issuers\.1\.keys must be given/),
    ]);
  });

  test.each<[string, object, RegExp]>([
    ['both sources of keys', { issuer, audience: 'api', jwksUri, keys: [{}] }, /not both/],
    ['no URL', { issuer, audience: 'api', jwksUri: 'keys' }, /must be a URL/],
    ['a password in the URL', { issuer, audience: 'api', jwksUri: 'https://a:b@c.test' }, /password/],
    ['a file', { issuer, audience: 'api', jwksUri: 'file:///etc/keys' }, /must be https/],
    [
      'a shared secret for a key',
      { issuer, audience: 'api', keys: ['x'.repeat(64)] },
      /must be a public key/,
    ],
    ['no issuers', { issuers: [] }, /issuers must be a list/],
    [
      'an issuer twice',
      {
        issuers: [
          { issuer, audience: 'api', jwksUri },
          { issuer, audience: 'api', jwksUri },
        ],
      },
      /twice/,
    ],
  ])('%s is a fault', async (_, bad, fault) => {
    expect((await faultsOf(bad)).join('\n')).toMatch(fault);
  });

  test('keys given at start need no way to the issuer', async () => {
    const key = await issuerKey();
    const fake = await startIssuer();
    const resource = await startResourceServer({ issuer: fake.issuer, audience: 'api', keys: [key.jwk] });
    try {
      expect((await me(resource, await fake.token(key))).status).toBe(200);
      expect((await me(resource, await fake.token(key, {}, { kid: randomUUID() }))).status).toBe(401);
      expect(fake.fetches()).toBe(0);
    } finally {
      await resource.close();
      await fake.close();
    }
  });
});
