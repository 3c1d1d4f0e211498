import { types } from 'pg';
import { DataSource, type QueryRunner } from 'typeorm';
import { UnavailableError } from 'nestjs-token-family';
import { tokenFamilyMigrations } from 'nestjs-token-family/typeorm';
import type { ResolvedOptions } from '../libs/auth/src/core/options.js';
import type { RefreshTokenStore } from '../libs/auth/src/core/ports.js';
import { TypeOrmRefreshTokenStore } from '../libs/auth/src/storage/typeorm.store.js';
import { createDatabase, dataSourceOptions, type TestDatabase } from './support/database.js';
import { familyOf, login, rotationOf, storeOptions } from './support/stores.js';

let database: TestDatabase;
/** one connection: what a session is left with shows in the next query */
let source: DataSource;
let store: TypeOrmRefreshTokenStore;
beforeAll(async () => {
  database = await createDatabase();
  source = await database.connect({ poolSize: 1 });
  store = new TypeOrmRefreshTokenStore(source, storeOptions);
});
afterAll(() => database.drop());

function withDatabaseOptions(changes: Partial<ResolvedOptions['database']>, on = source) {
  return new TypeOrmRefreshTokenStore(on, {
    ...storeOptions,
    database: { ...storeOptions.database, ...changes },
  });
}

async function settled(work: Promise<unknown>): Promise<{ error: unknown; seconds: number }> {
  const begun = performance.now();
  const error = await work.then(
    () => null,
    (reason: unknown) => reason,
  );
  return { error, seconds: (performance.now() - begun) / 1000 };
}

/** Insert, rotate, look, revoke: enough to touch every kind of statement. */
async function live(on: RefreshTokenStore): Promise<void> {
  const given = login({ scope: 'read', claims: { admin: true }, device: { agent: 'x' } });
  const grant = await on.insert(given);
  const rotated = await on.rotate(rotationOf(given.token));
  expect(rotated).toMatchObject({
    subject: given.subject,
    claims: { admin: true },
    expiresAt: grant.expiresAt,
  });
  expect(await familyOf(on, given.token)).toMatchObject({ generation: 1, keyId: 1, device: { agent: 'x' } });
  expect((await on.sessions(given.subject, 10)).families).toHaveLength(1);
  expect(await on.revokeSubject(given.subject, 'logout')).toHaveLength(1);
  const told: unknown[] = [];
  await on.revokedWithin(60_000, (sessions) => told.push(...sessions));
  expect(told).toContainEqual({ sid: given.token.familyId, revokedAt: expect.any(Number) });
}

describe("a login in the caller's transaction", () => {
  test('is gone when the transaction is rolled back', async () => {
    const given = login();
    const attempt = source.transaction(async (manager) => {
      await store.insert(given, manager);
      throw new Error('changed my mind');
    });
    await expect(attempt).rejects.toThrow('changed my mind');
    expect((await store.look(given.token.familyId)).family).toBeNull();
  });

  test('is there when the transaction is committed, and not before', async () => {
    const given = login({ claims: { plan: 'pro' } });
    const elsewhere = new TypeOrmRefreshTokenStore(await database.connect(), storeOptions);
    const grant = await source.transaction(async (manager) => {
      const inside = await store.insert(given, manager);
      expect((await elsewhere.look(given.token.familyId)).family).toBeNull();
      return inside;
    });
    expect(grant).toMatchObject({ subject: given.subject, claims: { plan: 'pro' }, now: expect.any(Number) });
    expect(await familyOf(elsewhere, given.token)).toMatchObject({ rotatedAt: grant.now });
  });

  test("that fails tells the driver's error, and repeats no hash", async () => {
    const given = login();
    await store.insert(given);
    const again = source.transaction((manager) => store.insert(given, manager));
    const { error } = await settled(again);
    expect(error).toBeInstanceOf(UnavailableError);
    expect((error as Error).cause).toMatchObject({ code: '23505' });
    expect(Object.keys((error as Error).cause as object)).not.toContain('parameters');
  });

  test("leaves the transaction's own lock_timeout as it was", async () => {
    const after = await source.transaction(async (manager) => {
      await manager.query(`set local lock_timeout = '7s'`);
      await store.insert(login(), manager);
      return manager.query('show lock_timeout');
    });
    expect(after).toEqual([{ lock_timeout: '7s' }]);
  });
});

describe('a lock that another transaction holds', () => {
  let holder: QueryRunner;
  beforeEach(async () => {
    holder = (await database.connect()).createQueryRunner();
    await holder.startTransaction();
  });
  afterEach(async () => {
    await holder.rollbackTransaction();
    await holder.release();
  });

  const given = login();
  const { familyId } = given.token;
  test.each<[string, () => Promise<unknown>]>([
    ['rotate', () => store.rotate(rotationOf(given.token))],
    ['advance', async () => store.advance(rotationOf(given.token), await familyOf(store, given.token))],
    ['revokeReused', async () => store.revokeReused(await familyOf(store, given.token))],
    ['revoke', () => store.revoke(familyId, 'logout')],
    ['revokeSubject', () => store.revokeSubject(given.subject, 'logout')],
  ])('ends %s as unavailable within the lock timeout, and leaves the session as it was', async (_, act) => {
    const count = await database.query('select from refresh_token where family_id = $1', [familyId]);
    if (count.length === 0) await store.insert(given);
    await source.query(`set lock_timeout = '7s'`);
    const [before] = await source.query('select pg_backend_pid() as pid');
    await holder.query('select from refresh_token where family_id = $1 for update', [familyId]);

    const { error, seconds } = await settled(act());
    expect(error).toBeInstanceOf(UnavailableError);
    expect((error as Error).cause).toMatchObject({ code: '55P03' });
    expect(seconds).toBeGreaterThan(0.15);
    expect(seconds).toBeLessThan(1);
    const [after] = await source.query(
      `select pg_backend_pid() as pid, current_setting('lock_timeout') as timeout`,
    );
    expect(after).toEqual({ ...before, timeout: '7s' });
    expect(await familyOf(store, given.token)).toMatchObject({ generation: 0, revokedAt: null });
  });

  test('on a subject ends its logins as unavailable, as a revocation of all would', async () => {
    const waiting = login();
    await holder.query('select pg_advisory_xact_lock(29798, hashtext($1))', [waiting.subject]);
    for (const act of [() => store.insert(waiting), () => store.revokeSubject(waiting.subject, 'logout')]) {
      const { error } = await settled(act());
      expect(error).toMatchObject({ code: 'ERR_STORE_UNAVAILABLE', cause: { code: '55P03' } });
    }
  });
});

const pool = () => (source.driver as unknown as { master: object }).master;

describe('an exhausted pool', () => {
  test('ends as unavailable within the query timeout, and leaks no connection', async () => {
    const hasty = withDatabaseOptions({ queryTimeout: 0.3 });
    const holder = source.createQueryRunner();
    await holder.connect();
    const attempts = await Promise.all(
      Array.from({ length: 5 }, () => settled(hasty.look(login().token.familyId))),
    );
    for (const { error, seconds } of attempts) {
      expect(error).toBeInstanceOf(UnavailableError);
      expect(seconds).toBeGreaterThan(0.25);
      expect(seconds).toBeLessThan(1);
    }
    await holder.release();
    await hasty.look(login().token.familyId);
    expect(pool()).toMatchObject({ totalCount: 1, idleCount: 1, waitingCount: 0 });
  });

  test('an answer that does not come in time gives its connection up', async () => {
    const [{ pid }] = await source.query('select pg_backend_pid() as pid');
    const hasty = withDatabaseOptions({ lockTimeout: 60, queryTimeout: 0.3 });
    const given = login();
    await store.insert(given);
    const holder = (await database.connect()).createQueryRunner();
    await holder.startTransaction();
    await holder.query('select from refresh_token where family_id = $1 for update', [given.token.familyId]);
    const { error, seconds } = await settled(hasty.rotate(rotationOf(given.token)));
    await holder.rollbackTransaction();
    await holder.release();
    expect(error).toBeInstanceOf(UnavailableError);
    expect(seconds).toBeLessThan(1);
    expect(await source.query('select pg_backend_pid() as pid')).not.toEqual([{ pid }]);
    expect(pool()).toMatchObject({ totalCount: 1, waitingCount: 0 });
  });
});

describe('whatever the application has set', () => {
  test('lock_timeout: every session goes on with its own', async () => {
    await source.query(`set lock_timeout = '7s'`);
    await live(store);
    expect(await source.query('show lock_timeout')).toEqual([{ lock_timeout: '7s' }]);
  });

  test.each(['auth', 'Application Authentication'])('schema %p: families live there', async (schema) => {
    const empty = await createDatabase({ empty: true });
    try {
      await empty.query(`create schema "${schema}"`);
      const options = { ...dataSourceOptions(empty.url), schema, migrations: tokenFamilyMigrations };
      const there = await new DataSource(options).initialize();
      await there.runMigrations();
      const warned = jest.spyOn(console, 'error').mockImplementation(() => {});
      await live(withDatabaseOptions({}, there));
      const counted = `select schemaname, n.relname from pg_stat_user_tables n where relname = 'refresh_token'`;
      expect(await empty.query(counted)).toEqual([{ schemaname: schema, relname: 'refresh_token' }]);
      expect(warned).not.toHaveBeenCalled();
      warned.mockRestore();
      await there.destroy();
    } finally {
      await empty.drop();
    }
  });

  test('preparedStatements: each statement is prepared once in a session, under a name of its own', async () => {
    const own = await database.connect({ poolSize: 1 });
    await live(withDatabaseOptions({}, own));
    await live(withDatabaseOptions({}, own));
    const prepared = await own.query(
      `select name from pg_prepared_statements where name like 'token_family%'`,
    );
    expect(prepared).toHaveLength(7);
  });

  test('preparedStatements: false leaves none behind', async () => {
    const own = await database.connect({ poolSize: 1 });
    await live(withDatabaseOptions({ preparedStatements: false }, own));
    expect(await own.query('select name from pg_prepared_statements')).toEqual([]);
  });

  test('global type parsers change nothing, in or out of a transaction', async () => {
    const { BOOL, BYTEA, INT8, INT2, INT4, JSON, TIMESTAMP, TIMESTAMPTZ, UUID, JSONB } = types.builtins;
    const oids = [BOOL, BYTEA, INT8, INT2, INT4, JSON, TIMESTAMP, TIMESTAMPTZ, UUID, JSONB];
    const parsers = oids.map((oid) => types.getTypeParser(oid));
    for (const oid of oids) types.setTypeParser(oid, () => ({ parsed: 'by the application' }));
    try {
      await live(store);
      const given = login({ claims: { admin: true } });
      const grant = await source.transaction((manager) => store.insert(given, manager));
      expect(await familyOf(store, given.token)).toMatchObject({
        issuedAt: grant.now,
        rotatedAt: grant.now,
        idleExpiresAt: grant.idleExpiresAt,
        expiresAt: grant.expiresAt,
        claims: { admin: true },
      });
    } finally {
      for (const [at, oid] of oids.entries()) types.setTypeParser(oid, parsers[at]);
    }
  });

  test.each(['serializable', 'repeatable read'])(
    'isolation %s by default: a lost race is an empty result',
    async (level) => {
      const extra = { options: `-c default_transaction_isolation=${level.replace(' ', '\\ ')}` };
      const own = await new DataSource({
        ...dataSourceOptions(database.url),
        extra,
      }).initialize();
      const strict = withDatabaseOptions({ lockTimeout: 1.5 }, own);
      const given = login();
      await strict.insert(given);
      const holder = source.createQueryRunner();
      await holder.startTransaction();
      await holder.query('update refresh_token set scope = scope where family_id = $1', [
        given.token.familyId,
      ]);
      const rotation = strict.rotate(rotationOf(given.token));
      const waiting = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
      while ((await database.query(waiting)).length === 0);
      await holder.commitTransaction();
      await holder.release();
      expect(await own.query('show transaction_isolation')).toEqual([{ transaction_isolation: level }]);
      expect(await rotation).toBeNull();
      expect(await strict.rotate(rotationOf(given.token))).not.toBeNull();
      await own.destroy();
    },
  );
});
