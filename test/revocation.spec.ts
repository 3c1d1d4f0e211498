import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, Module, type BeforeApplicationShutdown } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuthModule } from 'nestjs-token-family';
import { RevocationFeed } from '../libs/auth/src/revocation/revocation.feed.js';
import { statementsFor } from '../libs/auth/src/storage/statements.js';
import { createDatabase, dataSourceOptions, type TestDatabase } from './support/database.js';
import { me } from './support/http.js';
import { options, startNode } from './support/node.js';

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database.drop());

const quick = options({ revocation: { pollInterval: 0.05 } });

/** Asks again until it holds, or a second has passed. */
async function soon(holds: () => Promise<boolean>): Promise<boolean> {
  for (const end = Date.now() + 1000; Date.now() < end; await sleep(10)) if (await holds()) return true;
  return false;
}

test('a revocation reaches the access tokens of its session on every node, and of no other', async () => {
  const nodes = await Promise.all([1, 2, 3].map(() => startNode({ url: database.url, options: quick })));
  try {
    const [dead, alive] = [await nodes[0]!.tokens.issue('alice'), await nodes[0]!.tokens.issue('alice')];
    await nodes[1]!.tokens.revoke(dead.sid);
    expect((await me(nodes[1]!, dead.accessToken)).status).toBe(401);
    for (const node of nodes) {
      expect(await soon(async () => (await me(node, dead.accessToken)).status === 401)).toBe(true);
      expect((await me(node, alive.accessToken)).status).toBe(200);
    }
  } finally {
    await Promise.all(nodes.map((node) => node.close()));
  }
});

test('a node that starts knows what was revoked before', async () => {
  const first = await startNode({ url: database.url });
  const pair = await first.tokens.issue('alice');
  await first.tokens.revoke(pair.sid);
  await first.close();
  const second = await startNode({ url: database.url });
  expect((await me(second, pair.accessToken)).status).toBe(401);
  await second.close();
});

test('two logins and a revoke-all within one second: the first is dead, the second lives', async () => {
  const node = await startNode({ url: database.url });
  for (let round = 0; round < 50; round++) {
    const before = await node.tokens.issue(`user-${round}`);
    await node.tokens.revokeAll(`user-${round}`);
    const after = await node.tokens.issue(`user-${round}`);
    expect((await me(node, before.accessToken)).status).toBe(401);
    expect((await me(node, after.accessToken)).status).toBe(200);
  }
  await node.close();
});

describe('the feed', () => {
  const clock = { wall: 1_000_000, mono: 5_000, now: () => clock.wall, monotonic: () => clock.mono };
  const settings = {
    accessToken: { lifetime: 300 },
    clockTolerance: 5,
    revocation: { pollInterval: 2, maxStaleness: 30, onStale: 'refuse' },
  };
  const source = { sessions: [] as string[], windows: [] as number[], fails: false };
  const revokedWithin = async (window: number) => {
    if (source.fails) throw new Error('down');
    source.windows.push(window);
    return { now: clock.wall, sessions: source.sessions.map((sid) => ({ sid, revokedAt: 0 })) };
  };
  const keys = { refresh: async () => {} };
  const feedWith = (onStale: 'refuse' | 'accept'): RevocationFeed =>
    new RevocationFeed(
      { revokedWithin },
      { refresh: () => keys.refresh() },
      { ...settings, revocation: { ...settings.revocation, onStale } } as never,
      clock,
    );
  const pass = (seconds: number): void => {
    clock.wall += seconds * 1000;
    clock.mono += seconds * 1000;
  };
  beforeEach(() => {
    Object.assign(source, { sessions: [], windows: [], fails: false });
    keys.refresh = async () => {};
  });

  test.each(['refuse', 'accept'] as const)('refuses to answer before its first load: %s', (onStale) => {
    expect(() => feedWith(onStale).isRevoked('a', clock.wall)).toThrow(/cannot answer now/);
  });

  test('learns what it read of sessions, whatever becomes of the keys', async () => {
    const feed = feedWith('accept');
    await feed.refresh();
    keys.refresh = () => Promise.reject(new Error('keys'));
    source.sessions = ['a'];
    await expect(feed.refresh()).rejects.toThrow('keys');
    expect(feed.isRevoked('a', clock.wall)).toBe(true);
  });

  test('learns of sessions while a change of the keys is under way', async () => {
    const feed = feedWith('refuse');
    await feed.refresh();
    let changed!: () => void;
    keys.refresh = () => new Promise((resolve) => (changed = resolve));
    const told: string[] = [];
    feed.onRevoked((sids) => told.push(...sids));
    source.sessions = ['a'];
    const refreshed = feed.refresh();
    await Promise.resolve().then(() => Promise.resolve());
    expect(told).toEqual(['a']);
    changed();
    await refreshed;
  });

  test('is as old as the older of what it knows of sessions and of keys', async () => {
    const feed = feedWith('refuse');
    await feed.refresh();
    keys.refresh = () => Promise.reject(new Error('keys'));
    for (let seconds = 0; seconds < 30; seconds += 2) {
      pass(2);
      await feed.refresh().catch(() => {});
    }
    expect(feed.isRevoked('a', clock.wall)).toBe(false);
    pass(2);
    await feed.refresh().catch(() => {});
    expect(() => feed.isRevoked('a', clock.wall)).toThrow(/cannot answer now/);
  });

  test('tells everybody, though one listener fails', async () => {
    const feed = feedWith('refuse');
    const told: string[] = [];
    feed.onRevoked(() => {
      throw new Error('of the application');
    });
    feed.onRevoked((sids) => told.push(...sids));
    feed.learn(['a']);
    source.sessions = ['b'];
    await feed.refresh();
    expect(told).toEqual(['a', 'b']);
  });

  test.each(['wall', 'mono'] as const)('is stale by its %s clock alone', async (one) => {
    const feed = feedWith('refuse');
    await feed.refresh();
    clock[one] += 30_000;
    expect(feed.isRevoked('a', clock.wall)).toBe(false);
    clock[one] += 1;
    expect(() => feed.isRevoked('a', clock.wall)).toThrow(/cannot answer now/);
  });

  test('that is stale passes tokens unchecked only by choice, and still refuses what it knows', async () => {
    const feed = feedWith('accept');
    await feed.refresh();
    feed.learn(['known']);
    pass(3600);
    expect(feed.isRevoked('unknown', clock.wall)).toBe(false);
    expect(feed.isRevoked('known', clock.wall)).toBe(true);
  });

  test('keeps what it knew when a reading fails', async () => {
    const feed = feedWith('refuse');
    source.sessions = ['a'];
    await feed.refresh();
    source.fails = true;
    await expect(feed.refresh()).rejects.toThrow('down');
    expect(feed.isRevoked('a', clock.wall)).toBe(true);
  });

  test('reads an overlap at every poll, and the whole window every maxStaleness', async () => {
    const feed = feedWith('refuse');
    await feed.refresh();
    pass(2);
    await feed.refresh();
    pass(28);
    await feed.refresh();
    expect(source.windows).toEqual([3_905_000, 62_000, 3_905_000]);
  });

  test('forgets a session when no access token of it can live', async () => {
    const feed = feedWith('refuse');
    source.sessions = ['a'];
    await feed.refresh();
    source.sessions = [];
    pass(364);
    await feed.refresh();
    expect(feed.isRevoked('a', clock.wall)).toBe(true);
    pass(1);
    await feed.refresh();
    expect(feed.isRevoked('a', clock.wall)).toBe(false);
  });
});

test('a node that drains still learns of revocations', async () => {
  let drained!: () => void;

  @Injectable()
  class Drain implements BeforeApplicationShutdown {
    async beforeApplicationShutdown(): Promise<void> {
      await new Promise<void>((resolve) => (drained = resolve));
    }
  }

  @Module({
    imports: [TypeOrmModule.forRoot(dataSourceOptions(database.url)), AuthModule.forRoot(quick)],
    providers: [Drain],
  })
  class DrainingModule {}

  const other = await startNode({ url: database.url });
  const app = (await Test.createTestingModule({ imports: [DrainingModule] }).compile()).createNestApplication(
    {
      logger: false,
    },
  );
  await app.init();
  const { sid } = await other.tokens.issue('alice');
  const { RevocationCheck } = await import('../libs/auth/src/core/ports.js');
  const feed = app.get<RevocationFeed>(RevocationCheck);
  const closed = app.close();
  expect(await soon(async () => drained !== undefined)).toBe(true);
  await other.tokens.revoke(sid);
  expect(await soon(async () => feed.isRevoked(sid, Date.now()))).toBe(true);
  drained();
  await closed;
  await other.close();
});

test('the poll reads its window through the index, however many sessions were ever revoked', async () => {
  await database.query(`
    insert into refresh_token (family_id, subject, client_id, generation, root_hash, step_hash, key_id, issued_at,
                               rotated_at, idle_expires_at, expires_at, revoked_at, revocation_reason)
    select gen_random_uuid(), 'old', 'default', 0, '', '', 1, now(), now(), now(), now(), now() - interval '30 days', 'logout'
    from generate_series(1, 20000)`);
  await database.query('analyze refresh_token');
  const { text } = statementsFor('refresh_token').revokedWithin;
  const plan = await database.query<{ 'QUERY PLAN': string }>(`explain ${text.replaceAll('$1', '60000')}`);
  expect(plan.map((line) => line['QUERY PLAN']).join('\n')).toMatch(
    /refresh_token_revoked_at_idx[\s\S]*Index Cond: \(revoked_at >/,
  );
});
