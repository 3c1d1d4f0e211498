import { createPublicKey } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  Controller,
  Get,
  Injectable,
  Module,
  type BeforeApplicationShutdown,
  type INestApplication,
  type OnModuleDestroy,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { HealthCheckService, TerminusModule } from '@nestjs/terminus';
import { Test } from '@nestjs/testing';
import { DataSource } from 'typeorm';
import { AuthModule, TokenHealth, UnavailableError } from 'nestjs-token-family';
import { ResourceServerModule, TokenMetrics } from 'nestjs-token-family/resource-server';
import { RefreshTokenStore } from '../../libs/auth/src/core/ports.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { send } from '../support/http.js';
import { options, signingKey, startNode, type TestNode } from '../support/node.js';
import { sample } from './scrape.js';

const publicJwk = createPublicKey(signingKey).export({ format: 'jwk' });
const UP = { status: 'up' };

describe('of a node that is well', () => {
  let database: TestDatabase;
  let node: TestNode;
  let health: TokenHealth;
  beforeAll(async () => {
    database = await createDatabase();
    node = await startNode({
      url: database.url,
      poolSize: 1,
      options: options({ database: { queryTimeout: 0.3, lockTimeout: 0.1 } }),
    });
    health = node.get(TokenHealth);
  });
  afterAll(async () => {
    await node?.close();
    await database?.drop();
  });

  test('everything is up, and the age of the news is told in seconds', async () => {
    expect(health.live()).toEqual({ token_live: UP });
    expect(await health.ready()).toEqual({
      token_database: UP,
      token_clock: { status: 'up', aheadSeconds: expect.any(Number) },
      token_revocations: { status: 'up', stalenessSeconds: expect.any(Number), maxStalenessSeconds: 30 },
      token_keys: UP,
    });
  });

  test('the database is down when its pool has no connection to give in time, and up again by itself', async () => {
    const runner = node.get(DataSource).createQueryRunner();
    await runner.connect();
    const began = performance.now();
    const asked = await Promise.all([health.database(), health.database(), health.ready()]);
    expect(performance.now() - began).toBeLessThan(2000);
    const down = { token_database: { status: 'down', reason: 'database_unavailable' } };
    expect(asked).toEqual([down, down, expect.objectContaining(down)]);
    await runner.release();
    expect(await health.database()).toEqual({ token_database: UP });
  });
});

const primary = { ask: async () => ({ now: 0, isStandby: false }), clock: () => 0, clockTolerance: 5 };

test('who asks while the database is being asked shares its answer', async () => {
  let asked = 0;
  const health = new TokenHealth({
    database: { ...primary, ask: async () => (asked++, await sleep(20), { now: 0, isStandby: false }) },
    feeds: [],
    keys: () => null,
  });
  await Promise.all(Array.from({ length: 100 }, () => health.ready()));
  expect(asked).toBe(1);
  await health.database();
  expect(asked).toBe(2);
});

describe('what is wrong is told by its reason, and nothing is thrown', () => {
  const well = { database: primary, feeds: [], keys: () => null };
  const feed = (staleness: number, issuer?: string) => ({
    ...(issuer !== undefined && { issuer }),
    staleness: () => staleness,
    maxStaleness: 30,
  });

  test('a standby', async () => {
    const health = new TokenHealth({
      ...well,
      database: { ...primary, ask: async () => ({ now: 0, isStandby: true }) },
    });
    expect(await health.database()).toEqual({
      token_database: { status: 'down', reason: 'database_is_standby' },
    });
  });

  test('a database that answers with an error, of which nothing is told', async () => {
    const ask = () => Promise.reject(new Error('password authentication failed for user "auth"'));
    const health = new TokenHealth({ ...well, database: { ...primary, ask } });
    expect(await health.ready()).toMatchObject({
      token_database: { status: 'down', reason: 'database_unavailable' },
    });
    expect(JSON.stringify(await health.ready())).not.toContain('password');
  });

  test.each([
    ['not off', 100_000, [100_000, 100_000], 0, 'up'],
    ['within the time the answer took', 100_000, [92_000, 101_000], 0, 'up'],
    ['ahead, within the tolerance', 100_000, [105_000, 105_400], 5, 'up'],
    ['ahead', 100_000, [105_001, 105_400], 5.001, 'down'],
    ['behind, within the tolerance', 100_000, [94_000, 95_000], -5, 'up'],
    ['behind', 100_000, [94_000, 94_999], -5.001, 'down'],
  ])('a clock that is %s', async (_, now, readings, aheadSeconds, status) => {
    const shown = [...readings];
    const ask = async () => ({ now, isStandby: false });
    const database = { ...primary, ask, clock: () => shown.shift()! };
    const { token_clock: clock } = await new TokenHealth({ ...well, database }).clock();
    const reason = status === 'down' && { reason: 'clock_is_off' };
    expect(clock).toEqual({ status, aheadSeconds: expect.closeTo(aheadSeconds), ...reason });
  });

  test.each([
    [30, 30, 'up'],
    [30.001, 30.001, 'down'],
    [Infinity, null, 'down'],
  ])('news that is %p seconds old', (staleness, told, status) => {
    const health = new TokenHealth({ ...well, feeds: [feed(staleness)] });
    expect(health.revocations().token_revocations).toEqual({
      status,
      ...(status === 'down' && { reason: 'revocations_stale' }),
      stalenessSeconds: told,
      maxStalenessSeconds: 30,
    });
  });

  test('of several issuers one that is heard keeps it up, and each is told', () => {
    const a = feed(1, 'https://a.test');
    const health = new TokenHealth({ ...well, feeds: [a, feed(31, 'https://b.test')] });
    expect(health.revocations()).toEqual({
      token_revocations: {
        status: 'up',
        issuers: [
          { issuer: 'https://a.test', stalenessSeconds: 1, maxStalenessSeconds: 30 },
          { issuer: 'https://b.test', stalenessSeconds: 31, maxStalenessSeconds: 30 },
        ],
      },
    });
    const deaf = new TokenHealth({
      ...well,
      feeds: [feed(31, 'https://a.test'), feed(31, 'https://b.test')],
    });
    expect(deaf.revocations().token_revocations.status).toBe('down');
  });

  test('no key to sign with', async () => {
    const health = new TokenHealth({ ...well, keys: () => 'no_signing_key' });
    expect(await health.ready()).toMatchObject({ token_keys: { status: 'down', reason: 'no_signing_key' } });
  });
});

describe('as Terminus asks it, on a port', () => {
  @Controller('health')
  class HealthController {
    constructor(
      private readonly check: HealthCheckService,
      private readonly tokens: TokenHealth,
    ) {}

    @Get('live')
    live() {
      return this.check.check([() => this.tokens.live()]);
    }

    @Get('ready')
    ready() {
      return this.check.check([() => this.tokens.ready()]);
    }

    @Get('each')
    each() {
      const { tokens } = this;
      return this.check.check([() => tokens.database(), () => tokens.revocations(), () => tokens.keys()]);
    }
  }

  /** What happens between the signal and the end. */
  const during: { work: () => Promise<void> } = { work: async () => {} };

  @Injectable()
  class Draining implements BeforeApplicationShutdown {
    async beforeApplicationShutdown(): Promise<void> {
      await during.work();
    }
  }

  const opened: INestApplication[] = [];
  afterEach(async () => {
    for (const app of opened.splice(0)) await app.close();
    during.work = async () => {};
  });

  async function start(settings = options()) {
    @Module({
      imports: [
        TerminusModule.forRoot({ logger: false }),
        AuthModule.forRoot({ ...settings, store: 'memory' }),
      ],
      controllers: [HealthController],
      providers: [Draining],
    })
    class App {}
    const app = await NestFactory.create(App, { logger: false, abortOnError: false });
    opened.push(app);
    await app.listen(0, '127.0.0.1');
    return { app, url: await app.getUrl() };
  }

  test('every report is what HealthCheckService takes', async () => {
    const { url } = await start();
    for (const path of ['live', 'ready', 'each']) {
      const { status, body } = await send(`${url}/health/${path}`);
      expect([path, status, body['status'], body['error']]).toEqual([path, 200, 'ok', {}]);
    }
    expect((await send(`${url}/health/ready`)).body['details']).toEqual({
      token_database: UP,
      token_clock: { status: 'up', aheadSeconds: expect.any(Number) },
      token_revocations: expect.objectContaining(UP),
      token_keys: UP,
    });
  });

  test('it is 503 while news is too old, and says why', async () => {
    const { app, url } = await start(options({ revocation: { maxStaleness: 0.2, pollInterval: 0.05 } }));
    const store = app.get<RefreshTokenStore>(RefreshTokenStore);
    jest.spyOn(store, 'revokedWithin').mockRejectedValue(new UnavailableError('ERR_STORE_UNAVAILABLE'));
    await sleep(400);
    const { status, body } = await send(`${url}/health/ready`);
    expect(status).toBe(503);
    expect(body['error']).toEqual({
      token_revocations: expect.objectContaining({ status: 'down', reason: 'revocations_stale' }),
    });
  });

  test('it is down before anything closes, and is answered until then', async () => {
    const { url } = await start();
    let answer: Awaited<ReturnType<typeof send>> | undefined;
    during.work = async () => {
      answer = await send(`${url}/health/ready`);
    };
    await opened.pop()!.close();
    expect(answer?.status).toBe(503);
    expect(answer?.body['error']).toEqual({
      token_shutdown: { status: 'down', reason: 'shutting_down' },
    });
  });
});

test('an application whose own modules end slowly has it down before them', async () => {
  const seen: unknown[] = [];
  const slowly = async (health: TokenHealth) => {
    await sleep(1);
    seen.push((await health.ready())['token_shutdown']);
  };
  /** Destroyed before the global module of the package, and waited for. */
  @Injectable()
  class Slow implements OnModuleDestroy {
    constructor(private readonly health: TokenHealth) {}

    async onModuleDestroy(): Promise<void> {
      await slowly(this.health);
      this.health.shutDown();
      await slowly(this.health);
    }
  }
  const moduleRef = await Test.createTestingModule({
    imports: [AuthModule.forRoot({ ...options(), store: 'memory' })],
    providers: [Slow],
  }).compile();
  const app = await moduleRef.createNestApplication({ logger: false }).init();
  await app.close();
  expect(seen).toEqual([undefined, { status: 'down', reason: 'shutting_down' }]);
});

describe('of a service that only verifies', () => {
  let issuer: Server;
  let jwks: string | null;
  beforeAll(async () => {
    issuer = createServer((_request, response) => {
      response.writeHead(jwks === null ? 503 : 200).end(jwks ?? '');
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => issuer.once('listening', resolve));
  });
  afterAll(() => issuer.close());

  /** What it reports and tells once it has started. */
  async function started({ listens = false } = {}) {
    const url = `http://127.0.0.1:${(issuer.address() as AddressInfo).port}`;
    const revocations = { uri: `${url}/revocations`, id: 'reports', secret: 's'.repeat(43) };
    const moduleRef = await Test.createTestingModule({
      imports: [
        ResourceServerModule.forRoot({
          issuer: 'https://issuer.test',
          audience: 'https://api.test',
          jwksUri: `${url}/jwks`,
          ...(listens && { revocations }),
        }),
      ],
    }).compile();
    const app = await moduleRef.createNestApplication({ logger: false }).init();
    const report = await app.get(TokenHealth).ready();
    const metrics = app.get(TokenMetrics).read();
    await app.close();
    return { report, metrics };
  }

  test('it is down without a key to verify with, and asks no database', async () => {
    jwks = null;
    expect((await started()).report).toEqual({
      token_revocations: { ...UP, issuers: [] },
      token_keys: { status: 'down', reason: 'no_verification_keys' },
    });
  });

  test('it is up once the issuer has told its keys', async () => {
    jwks = JSON.stringify({ keys: [{ ...publicJwk, alg: 'ES256', kid: 'one' }] });
    expect((await started()).report['token_keys']).toEqual(UP);
  });

  test('it is down while it has never heard of the revocations it asks for, and its metrics say of whose', async () => {
    const { report, metrics } = await started({ listens: true });
    expect(report['token_revocations']).toEqual({
      status: 'down',
      reason: 'revocations_stale',
      issuer: 'https://issuer.test',
      stalenessSeconds: null,
      maxStalenessSeconds: 30,
    });
    const labels = { issuer: 'https://issuer.test' };
    expect(sample(metrics, 'feed_staleness_seconds', labels)).toBe(Infinity);
    expect(sample(metrics, 'guard_total', { outcome: 'admitted' })).toBe(0);
  });
});
