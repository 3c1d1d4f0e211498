import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Controller, Get, UseGuards } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import {
  AccessGuard,
  AuthModule,
  OptionalAuth,
  Public,
  RequireScope,
  TokenMetrics,
  TokenService,
  type ClaimsProvider,
} from 'nestjs-token-family';
import { DataSource } from 'typeorm';
import { PoolMetrics } from '../../libs/auth/src/storage/pool-metrics.js';
import { PrimaryConnection } from '../../libs/auth/src/storage/primary-connection.js';
import { forge } from '../model/forge.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { me, refresh, send } from '../support/http.js';
import { options, startNode, type TestNode } from '../support/node.js';
import { grown, readMetrics, sample } from './scrape.js';

const PAST_LEEWAY = 60;

describe('what a node counts', () => {
  let database: TestDatabase;
  let node: TestNode;
  let claims: ClaimsProvider | undefined;
  beforeAll(async () => {
    database = await createDatabase();
    const settings = options({ claims: (request) => (claims ? claims(request) : {}) });
    node = await startNode({ url: database.url, options: settings });
  });
  afterAll(async () => {
    await node?.close();
    await database?.drop();
  });
  beforeEach(() => {
    claims = undefined;
  });

  /** What `work` makes the counters grow by; those of the pool and of the feed have tests of their own. */
  async function counted(work: () => Promise<unknown>): Promise<Record<string, number>> {
    const before = readMetrics(node);
    await work();
    const all = Object.entries(grown(before, readMetrics(node)));
    return Object.fromEntries(all.filter(([name]) => !/^(pool|feed)_/.test(name)));
  }

  const login = () => node.tokens.issue(randomUUID());

  test('a login and its end', async () => {
    expect(
      await counted(async () => {
        const { sid } = await login();
        await node.tokens.revoke(sid);
        await node.tokens.revoke(sid);
      }),
    ).toEqual({ 'logins_total{}': 1, 'revocations_total{logout}': 1 });
  });

  test('every verdict that is answered with a token', async () => {
    const { refreshToken } = await login();
    const headers = { 'idempotency-key': randomUUID() };
    expect(
      await counted(async () => {
        const { body } = await refresh(node, refreshToken, headers);
        const successor = String(body['refresh_token']);
        await refresh(node, refreshToken);
        await refresh(node, successor);
        await database.passTime(PAST_LEEWAY);
        await refresh(node, refreshToken, headers);
        await refresh(node, forge(successor, { ahead: 2 }));
      }),
    ).toEqual({
      'refreshes_total{rotated}': 1,
      'refreshes_total{retried}': 1,
      'refreshes_total{repeated}': 1,
      'refreshes_total{retried_late}': 1,
      'refreshes_total{advanced}': 1,
    });
  });

  test('reuse, and the end of the family it brings', async () => {
    const { refreshToken } = await login();
    await refresh(node, refreshToken);
    await database.passTime(PAST_LEEWAY);
    expect(
      await counted(async () => {
        await refresh(node, refreshToken);
        await refresh(node, refreshToken);
      }),
    ).toEqual({
      'refreshes_total{reused}': 1,
      'refreshes_total{refused refresh_token_revoked}': 1,
      'revocations_total{reuse}': 1,
    });
  });

  test('a refusal by its code', async () => {
    const { refreshToken } = await login();
    expect(
      await counted(async () => {
        await refresh(node, 'no token');
        await refresh(node, forge(refreshToken, { root: true }));
        await refresh(node, refreshToken, { 'idempotency-key': 'short' });
        await send(`${node.url}/auth/refresh`, { json: { refresh_token: refreshToken, sid: randomUUID() } });
        claims = () => null;
        await refresh(node, refreshToken);
      }),
    ).toEqual({
      'refreshes_total{refused refresh_token_malformed}': 1,
      'refreshes_total{refused refresh_token_forged}': 1,
      'refreshes_total{invalid idempotency_key_malformed}': 1,
      'refreshes_total{invalid session_mismatch}': 1,
      'refreshes_total{refused subject_refused}': 1,
      'revocations_total{subject_refused}': 1,
    });
  });

  test('an outage by its code, and not as a refusal', async () => {
    const { refreshToken } = await login();
    expect(
      await counted(async () => {
        claims = () => Promise.reject(new Error('the directory is down'));
        await refresh(node, refreshToken);
        claims = undefined;
        await database.query('alter table refresh_token rename to gone');
        await refresh(node, refreshToken);
        await database.query('alter table gone rename to refresh_token');
      }),
    ).toEqual({
      'refreshes_total{unavailable claims_unavailable}': 1,
      'refreshes_total{unavailable store_unavailable}': 1,
    });
  });

  test('what the guard decides, a token seen before as any other', async () => {
    const { accessToken, sid } = await login();
    expect(
      await counted(async () => {
        await me(node, accessToken);
        await me(node, accessToken);
        await me(node, `${accessToken}x`);
        await send(`${node.url}/me`);
        await node.tokens.revoke(sid);
        await me(node, accessToken);
      }),
    ).toEqual({
      'guard_total{admitted}': 2,
      'guard_total{access_token_invalid}': 1,
      'guard_total{token_missing}': 1,
      'guard_total{access_token_revoked}': 1,
      'revocations_total{logout}': 1,
    });
  });
});

describe('every metric', () => {
  let database: TestDatabase;
  let node: TestNode;
  beforeAll(async () => {
    database = await createDatabase();
    const managedKeys = { encryptionKeys: [{ id: 1, secret: 'k'.repeat(43) }] };
    const clients = Array.from({ length: 50 }, (_, n) => ({ id: `client-${n}` }));
    const settings = options({ clients, accessToken: { keys: undefined, managedKeys } });
    node = await startNode({ url: database.url, options: settings, poolSize: 1 });
  });
  afterAll(async () => {
    await node?.close();
    await database?.drop();
  });

  test('is in the table of docs/operations.md, with its labels, and nothing else is', () => {
    const page = readFileSync('docs/operations.md', 'utf8');
    const rows = [...page.matchAll(/^\| `(token_family_\w+)` +\| (\w+) +\| (.*?) *\| .*\|$/gm)];
    const documented = rows.map(([, name, type, cell]) => {
      const labels = [...cell!.matchAll(/`(\w+)`/g)].map(([, label]) => label);
      return [name, type, ...labels].join(' ');
    });
    const told = readMetrics(node).map(({ name, type, labels }) => [name, type, ...labels].join(' '));
    expect(new Set(documented)).toEqual(new Set(told));
    expect(documented).toHaveLength(told.length);
  });

  test('has a name by the conventions of Prometheus, one that OpenMetrics can tell from every other', () => {
    const metrics = readMetrics(node);
    for (const { name, type, unit, help } of metrics) {
      expect(name).toMatch(/^token_family_[a-z_]+$/);
      expect([name, name.endsWith('_total')]).toEqual([name, type === 'counter']);
      expect([name, /_seconds(_total)?$/.test(name)]).toEqual([name, unit === 'seconds']);
      expect(help).toMatch(/^[A-Z0-9].*[^.]$/);
    }
    const families = metrics.map(({ name }) => name.replace(/_total$/, ''));
    expect(new Set(families).size).toBe(families.length);
  });

  test('tells of what has not happened yet, so that the first time is an increase', () => {
    const metrics = readMetrics(node);
    expect(sample(metrics, 'refreshes_total', { verdict: 'reused' })).toBe(0);
    expect(sample(metrics, 'refreshes_total', { verdict: 'refused', code: 'refresh_token_forged' })).toBe(0);
    expect(sample(metrics, 'guard_total', { outcome: 'revocations_stale' })).toBe(0);
    expect(sample(metrics, 'revocations_total', { reason: 'session_limit' })).toBe(0);
  });

  test('has a bounded number of samples, and no label that names anybody', async () => {
    const secret: string[] = [];
    for (let n = 0; n < 50; n++) {
      const pair = await node.tokens.issue(`subject-${n}`, { clientId: `client-${n}` });
      await refresh(node, pair.refreshToken, { 'idempotency-key': `key-${randomUUID()}` });
      await me(node, pair.accessToken);
      await node.tokens.revoke(pair.sid);
      secret.push(`subject-${n}`, `client-${n}`, pair.sid, pair.refreshToken, pair.accessToken);
    }
    const metrics = readMetrics(node);
    expect(metrics.flatMap(({ samples }) => samples).length).toBeLessThan(80);
    const text = JSON.stringify(metrics);
    expect(secret.filter((each) => text.includes(each))).toEqual([]);
    for (const { labels, samples } of metrics) {
      const used = new Set(samples.flatMap((each) => Object.keys(each.labels)));
      expect([...used].filter((name) => !labels.includes(name))).toEqual([]);
    }
  });

  test('of the pool shows who waits, and for how long', async () => {
    const before = readMetrics(node);
    const runner = node.get(DataSource).createQueryRunner();
    await runner.connect();
    const logins = Promise.all([1, 2, 3].map((n) => node.tokens.issue(`waiting-${n}`)));
    await sleep(50);
    const meanwhile = readMetrics(node);
    expect(sample(meanwhile, 'pool_waiting')).toBeGreaterThanOrEqual(3);
    expect(sample(meanwhile, 'pool_connections', { state: 'idle' })).toBe(0);
    expect(sample(meanwhile, 'pool_connections', { state: 'busy' })).toBe(1);
    await runner.release();
    await logins;
    const added = grown(before, readMetrics(node));
    expect(added['pool_waits_total{}']).toBeGreaterThanOrEqual(3);
    expect(added['pool_wait_seconds_total{}']).toBeGreaterThan(0.1);
    expect(added['pool_wait_seconds_total{}']).toBeLessThan(30);
  });

  test('of keys tells whether this node can sign, and since when', () => {
    const metrics = readMetrics(node);
    expect(sample(metrics, 'signing_key_usable')).toBe(1);
    expect(sample(metrics, 'signing_keys_staleness_seconds')).toBeLessThan(30);
    expect(sample(metrics, 'signing_key_age_seconds')).toBeLessThan(300);
  });
});

describe('of the pool', () => {
  const ASK = { name: 'ask', text: 'select 1' };
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createDatabase({ empty: true });
  });
  afterAll(() => database?.drop());

  async function poolOf(poolSize: number) {
    const source = await database.connect({ poolSize });
    const primary = new PrimaryConnection(source, { queryTimeout: 0.3, preparedStatements: false });
    const pool = new PoolMetrics(source);
    const read = () =>
      ['pool_waiting', 'pool_waits_total', 'pool_wait_seconds_total'].map((name) =>
        sample(pool.read(), name)!,
      ) as [waiting: number, waits: number, seconds: number];
    return { source, primary, read };
  }

  test('waiting is told while it lasts, and ends when it is given up', async () => {
    const { source, primary, read } = await poolOf(1);
    const runner = source.createQueryRunner();
    await runner.connect();
    const asked = Array.from({ length: 20 }, () => primary.run(ASK, []).catch(() => 'given up'));
    await sleep(100);
    const [waiting, , soFar] = read();
    expect(waiting).toBe(20);
    expect(soFar).toBeGreaterThan(20 * 0.05);
    expect(new Set(await Promise.all(asked))).toEqual(new Set(['given up']));
    const [none, waits, seconds] = read();
    expect([none, waits]).toEqual([0, 20]);
    expect(seconds).toBeGreaterThan(20 * 0.29);
    await sleep(200);
    expect(read()[2]).toBe(seconds);
    const patient = new PrimaryConnection(source, { queryTimeout: 10, preparedStatements: false });
    const slow = patient.run({ name: 'slow', text: 'select pg_sleep(0.5)' }, []);
    await runner.release();
    await slow;
    expect(read().slice(0, 2)).toEqual([0, 21]);
    expect(read()[2] - seconds).toBeLessThan(0.45);
  });

  test('nobody waits who is among as many as it has connections for', async () => {
    const { primary, read } = await poolOf(3);
    await primary.run(ASK, []);
    await Promise.all([1, 2, 3].map(() => primary.run(ASK, [])));
    await Promise.all([1, 2, 3].map(() => primary.run(ASK, [])));
    expect(read()).toEqual([0, 0, 0]);
    await Promise.all([1, 2, 3, 4].map(() => primary.run(ASK, [])));
    expect(read()[1]).toBe(1);
  });
});

test('how long revocations take from node to node is added up, and how fresh the news is', async () => {
  const database = await createDatabase();
  const settings = options({ revocation: { pollInterval: 0.05 } });
  const [here, there] = [
    await startNode({ url: database.url, options: settings }),
    await startNode({ url: database.url, options: settings }),
  ];
  try {
    const { sid, accessToken } = await here.tokens.issue('alice');
    await here.tokens.revoke(sid);
    for (let tries = 0; tries < 200 && (await me(there, accessToken)).status !== 401; tries++);
    const metrics = readMetrics(there);
    expect(sample(metrics, 'feed_heard_total')).toBe(1);
    expect(sample(metrics, 'feed_lag_seconds_total')).toBe(sample(metrics, 'feed_last_lag_seconds'));
    expect(sample(metrics, 'feed_last_lag_seconds')).toBeLessThan(5);
    expect(sample(metrics, 'revoked_sessions')).toBe(1);
    expect(sample(metrics, 'feed_staleness_seconds')).toBeLessThan(5);
    expect(sample(readMetrics(here), 'feed_heard_total')).toBe(0);
  } finally {
    await here.close();
    await there.close();
    await database.drop();
  }
});

test('guards of several modules, and their subclasses, count together; public routes are nobody’s decision', async () => {
  class OwnGuard extends AccessGuard {
    protected override checkScope(): void {
      throw new Error('a mistake of the application');
    }
  }
  @Controller()
  class Routes {
    @Get('open') @Public() @UseGuards(AccessGuard) open(): void {}
    @Get('optional') @OptionalAuth() @UseGuards(AccessGuard) optional(): void {}
    @Get('scoped') @RequireScope('a') @UseGuards(AccessGuard) scoped(): void {}
    @Get('own') @UseGuards(OwnGuard) own(): void {}
  }
  const moduleRef = await Test.createTestingModule({
    imports: [AuthModule.forRoot({ ...options(), store: 'memory' })],
    controllers: [Routes],
  }).compile();
  const app = moduleRef.createNestApplication({ logger: false });
  await app.listen(0, '127.0.0.1');
  const { accessToken } = await app.get(TokenService).issue('alice');
  const url = await app.getUrl();
  const headers = { authorization: `Bearer ${accessToken}` };
  const before = app.get(TokenMetrics).read();
  await send(`${url}/open`);
  await send(`${url}/optional`);
  await send(`${url}/optional`, { headers });
  await send(`${url}/scoped`, { headers });
  await send(`${url}/own`, { headers });
  await app.close();
  expect(grown(before, app.get(TokenMetrics).read())).toEqual({
    'guard_total{anonymous}': 1,
    'guard_total{admitted}': 1,
    'guard_total{scope_insufficient}': 1,
    'guard_total{unexpected}': 1,
  });
});
