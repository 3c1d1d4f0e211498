import { randomUUID } from 'node:crypto';
import type { RefreshTokenStore } from '../libs/auth/src/core/ports.js';
import type { ResolvedOptions } from '../libs/auth/src/core/options.js';
import { TypeOrmRefreshTokenStore } from '../libs/auth/src/storage/typeorm.store.js';
import { ThreeNodes } from './races/three-nodes.js';
import { createDatabase } from './support/database.js';
import { me } from './support/http.js';
import { seedFamilies } from './support/seed.js';
import { DAY, familyOf, login, rotationOf, storeOptions, worlds, type World } from './support/stores.js';

const LIMIT = 3;
const limited: ResolvedOptions = { ...storeOptions, sessions: { maxPerSubject: LIMIT } };

describe.each(worlds)('at most three sessions of a subject, in %s', (_, create) => {
  let world: World;
  let store: RefreshTokenStore;
  beforeAll(async () => {
    world = await create(limited);
    store = world.store;
  });
  afterAll(() => world.close());

  /** Logins of one subject, a second apart. */
  async function begin(subject: string, count: number) {
    const logins = Array.from({ length: count }, () => login({ subject }));
    for (const each of logins) {
      await store.insert(each);
      await world.pass(1);
    }
    return logins.map(({ token }) => token);
  }

  async function living(subject: string): Promise<string[]> {
    return (await store.sessions(subject, 100)).families.map(({ familyId }) => familyId).toReversed();
  }

  test('a login within the limit ends nothing', async () => {
    const subject = randomUUID();
    const tokens = await begin(subject, LIMIT - 1);
    expect((await store.insert(login({ subject }))).evicted).toEqual([]);
    expect(await living(subject)).toEqual(expect.arrayContaining(tokens.map(({ familyId }) => familyId)));
  });

  test('a login beyond it ends the one used least recently, which a refresh is a use of', async () => {
    const subject = randomUUID();
    const [first, second, third] = await begin(subject, LIMIT);
    await store.rotate(rotationOf(first!));
    const fourth = login({ subject });
    const { evicted } = await store.insert(fourth);
    expect(evicted).toEqual([{ sid: second!.familyId, subject }]);
    expect(await familyOf(store, second!)).toMatchObject({
      revocationReason: 'session_limit',
      revokedAt: expect.any(Number),
    });
    expect(await living(subject)).toEqual([first!, third!, fourth.token].map(({ familyId }) => familyId));
  });

  test('those that were revoked, expired or idle do not count', async () => {
    const subject = randomUUID();
    const [revoked] = await begin(subject, 2);
    await store.revoke(revoked!.familyId, 'logout');
    await world.pass(7 * DAY);
    const [one, two] = await begin(subject, 2);
    expect((await store.insert(login({ subject }))).evicted).toEqual([]);
    expect(await living(subject)).toEqual(expect.arrayContaining([one!.familyId, two!.familyId]));
    expect(await familyOf(store, revoked!)).toMatchObject({ revocationReason: 'logout' });
  });

  test("somebody else's sessions do not count, and do not end", async () => {
    const [subject, other] = [randomUUID(), randomUUID()];
    await begin(other, LIMIT);
    await begin(subject, LIMIT);
    expect(await living(other)).toHaveLength(LIMIT);
  });

  test('a login is never what it ends itself, even with an older id than all others', async () => {
    const subject = randomUUID();
    const late = login({ subject });
    await begin(subject, LIMIT);
    expect((await store.insert(late)).evicted).toHaveLength(1);
    expect(await living(subject)).toContain(late.token.familyId);
  });
});

test('of sessions used at the same moment the one with the older id ends', async () => {
  const database = await createDatabase();
  const store = new TypeOrmRefreshTokenStore(await database.connect(), limited);
  await seedFamilies(database, LIMIT, { subject: `'tied'` });
  const [oldest] = await database.query<{ sid: string }>(
    'select family_id as sid from refresh_token order by family_id limit 1',
  );
  const { evicted } = await store.insert(login({ subject: 'tied' }));
  expect(evicted).toEqual([{ sid: oldest!.sid, subject: 'tied' }]);
  await database.drop();
});

describe('three nodes', () => {
  let nodes: ThreeNodes;
  beforeAll(async () => {
    nodes = await ThreeNodes.start({
      sessions: { maxPerSubject: LIMIT },
      revocation: { pollInterval: 0.2 },
      database: { lockTimeout: 3 },
    });
  });
  afterAll(() => nodes.close());

  interface Counted {
    living: number;
    ended: number;
    oldest_living: number;
    youngest_ended: number;
  }

  async function counted(subject: string): Promise<Counted> {
    const [row] = await nodes.database.query<Counted>(
      `select count(*) filter (where revoked_at is null)::int as living,
              count(*) filter (where revocation_reason = 'session_limit')::int as ended,
              extract(epoch from min(issued_at) filter (where revoked_at is null))::float8 as oldest_living,
              extract(epoch from max(issued_at) filter (where revoked_at is not null))::float8 as youngest_ended
       from refresh_token where subject = $1`,
      [subject],
    );
    return row!;
  }

  test('50 logins of one subject at once leave exactly three, the latest, in each of 10 rounds', async () => {
    for (let round = 0; round < 10; round++) {
      const subject = randomUUID();
      const pairs = await Promise.all(
        Array.from({ length: 50 }, (_, index) => nodes.at(index).tokens.issue(subject)),
      );
      const { living, ended, oldest_living, youngest_ended } = await counted(subject);
      expect({ living, ended }).toEqual({ living: LIMIT, ended: 50 - LIMIT });
      expect(oldest_living).toBeGreaterThan(youngest_ended);
      const told = pairs.map(({ sid }) => nodes.told('revoked', sid));
      expect(told.filter((times) => times === 1)).toHaveLength(50 - LIMIT);
      expect(told.filter((times) => times > 1)).toEqual([]);
    }
  });

  test('logins beside refreshes of the sessions they end leave no more than three, and no token of those ended', async () => {
    for (let round = 0; round < 30; round++) {
      const subject = randomUUID();
      const before = await Promise.all([0, 1, 2].map((index) => nodes.at(index).tokens.issue(subject)));
      const [refreshed] = await nodes.race(
        round,
        () => Promise.all(before.map(({ refreshToken }, index) => nodes.rotate(index, refreshToken))),
        () => Promise.all([0, 1].map((index) => nodes.at(index).tokens.issue(subject))),
      );
      expect(await counted(subject)).toMatchObject({ living: LIMIT, ended: 2 });
      for (const [index, pair] of refreshed.entries()) {
        const { reason } = await nodes.rowOf(before[index]!.sid);
        expect(pair && reason ? await nodes.accepting(pair.refreshToken) : 0).toBe(0);
      }
    }
  });

  test('what a login ends is refused by its node at once, and its event names the limit', async () => {
    const subject = randomUUID();
    const first = await nodes.at(0).tokens.issue(subject);
    for (let count = 0; count < LIMIT; count++) await nodes.at(0).tokens.issue(subject);
    expect((await me(nodes.at(0), first.accessToken)).status).toBe(401);
    expect(nodes.at(0).events).toContainEqual({
      type: 'revoked',
      sid: first.sid,
      subject,
      reason: 'session_limit',
    });
  });

  describe("within the caller's transaction", () => {
    test('nothing has ended when it rolls back: neither rows nor access tokens', async () => {
      const subject = randomUUID();
      const pairs = [];
      for (let count = 0; count < LIMIT; count++) pairs.push(await nodes.at(0).tokens.issue(subject));
      const rolledBack = nodes.source.transaction(async (manager) => {
        await nodes.at(0).tokens.issue(subject, { manager });
        throw new Error('the application changed its mind');
      });
      await expect(rolledBack).rejects.toThrow('changed its mind');
      expect(await counted(subject)).toMatchObject({ living: LIMIT, ended: 0 });
      for (const { accessToken, sid } of pairs) {
        expect((await me(nodes.at(0), accessToken)).status).toBe(200);
        expect(nodes.told('revoked', sid)).toBe(0);
      }
    });

    test('every node learns by its poll what ended when it commits', async () => {
      const subject = randomUUID();
      const first = await nodes.at(0).tokens.issue(subject);
      for (let count = 1; count < LIMIT; count++) await nodes.at(0).tokens.issue(subject);
      const after = await nodes.source.transaction(async (manager) => {
        await manager.query(`set local lock_timeout = '7s'`);
        await nodes.at(0).tokens.issue(subject, { manager });
        return manager.query('show lock_timeout');
      });
      expect(after).toEqual([{ lock_timeout: '7s' }]);
      expect(await counted(subject)).toMatchObject({ living: LIMIT, ended: 1 });
      for (const node of nodes.all) {
        const deadline = performance.now() + 5_000;
        while ((await me(node, first.accessToken)).status === 200) {
          expect(performance.now()).toBeLessThan(deadline);
        }
      }
    });

    test('another login of the subject waits for it, and then counts it', async () => {
      const subject = randomUUID();
      for (let count = 0; count < LIMIT; count++) await nodes.at(0).tokens.issue(subject);
      let other!: Promise<unknown>;
      await nodes.source.transaction(async (manager) => {
        await nodes.at(0).tokens.issue(subject, { manager });
        other = nodes.at(1).tokens.issue(subject);
        await nodes.untilWaitingForLogin();
      });
      await other;
      expect(await counted(subject)).toMatchObject({ living: LIMIT, ended: 2 });
    });
  });
});
