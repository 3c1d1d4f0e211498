import { DataSource, type QueryRunner } from 'typeorm';
import { tokenFamilyMigrations } from 'nestjs-token-family/typeorm';
import { UnavailableError } from '../libs/auth/src/core/errors.js';
import type { KeyStep, NewSigningKey } from '../libs/auth/src/core/key-schedule.js';
import type { SigningKeyStore } from '../libs/auth/src/core/ports.js';
import { TypeOrmSigningKeyStore } from '../libs/auth/src/storage/typeorm-signing-key.store.js';
import { createDatabase, dataSourceOptions, type TestDatabase } from './support/database.js';
import { impatientOptions, keyWorlds, storeOptions, type KeyWorld } from './support/signing-keys.js';
import { candidateKey } from './support/stored-keys.js';

const VERIFY_FOR = 5000;
const HOUR = 3_600_000;

const publish = (state: 'pending' | 'active'): KeyStep[] => [{ kind: 'publish', state }];
const step = (kind: 'activate' | 'delete', kid: string): KeyStep => ({ kind, kid });
const retire = (kid: string): KeyStep => ({ kind: 'retire', kid, verifyFor: VERIFY_FOR });
const REVOKED = Buffer.from('says that the key is revoked');
const revoke = (kid: string): KeyStep => ({
  kind: 'revoke',
  kid,
  verifyFor: VERIFY_FOR,
  authenticator: REVOKED,
});

/** Adds a key, and answers it. */
async function add(store: SigningKeyStore, state: 'pending' | 'active', changes = {}) {
  const candidate = candidateKey(changes);
  await store.change(candidate, () => publish(state));
  return candidate;
}

async function stored(store: SigningKeyStore, { kid }: { kid: string }) {
  return (await store.load()).keys.find((key) => key.kid === kid);
}

describe.each(keyWorlds)('signing keys in %s', (_, create) => {
  let world: KeyWorld;
  let store: SigningKeyStore;
  beforeEach(async () => {
    world = await create();
    store = world.store;
  });
  afterEach(() => world.close());

  test('are none at first', async () => {
    expect(await store.load()).toEqual({ keys: [], now: expect.any(Number) });
  });

  test('come back as they were published, in that order', async () => {
    const publicKey = { kty: 'EC', crv: 'P-256', x: 'a', y: 'b' };
    const first = await add(store, 'active', { publicKey });
    const second = await add(store, 'pending', { algorithm: 'RS256' });
    const { keys, now } = await store.load();
    const times = { retiredAt: null, verifyUntil: null, revokedAt: null };
    expect(keys).toEqual([
      {
        ...first,
        ...times,
        state: 'active',
        publishedAt: expect.any(Number),
        activatedAt: keys[0]!.publishedAt,
      },
      { ...second, ...times, state: 'pending', publishedAt: expect.any(Number), activatedAt: null },
    ]);
    expect(keys[0]!.publishedAt).toBeLessThanOrEqual(keys[1]!.publishedAt);
    expect(keys[1]!.publishedAt).toBeLessThanOrEqual(now);
  });

  test('a change sees the keys and the clock of the store, and answers what it made of them', async () => {
    const { kid } = await add(store, 'pending');
    await world.pass(HOUR);
    const { keys, now } = await store.change(null, (before, time) => {
      expect(before.map((key) => [key.kid, key.state])).toEqual([[kid, 'pending']]);
      expect(time - before[0]!.publishedAt).toBeGreaterThanOrEqual(HOUR);
      return [step('activate', kid)];
    });
    expect(keys).toMatchObject([{ kid, state: 'active' }]);
    expect(Math.abs(now - keys[0]!.activatedAt!)).toBeLessThan(1000);
    expect((await store.load()).keys).toEqual(keys);
  });

  test('a change of nothing writes nothing', async () => {
    await add(store, 'active');
    const { keys } = await store.load();
    expect((await store.change(candidateKey(), () => [])).keys).toEqual(keys);
  });

  test('a key that is replaced verifies for its time, and its private part is destroyed', async () => {
    const old = await add(store, 'active');
    const next = await add(store, 'pending');
    await store.change(null, () => [retire(old.kid), step('activate', next.kid)]);
    const retired = (await stored(store, old))!;
    const { publicKey, authenticator } = old;
    expect(retired).toMatchObject({ state: 'retired', privateKey: null, publicKey, authenticator });
    expect(retired.verifyUntil! - retired.retiredAt!).toBeCloseTo(VERIFY_FOR, -1);
    expect(await stored(store, next)).toMatchObject({ state: 'active', privateKey: next.privateKey });
  });

  test('a revoked key keeps its row; its private part is destroyed, and its authenticator replaced', async () => {
    const key = await add(store, 'active');
    await store.change(null, () => [revoke(key.kid)]);
    const revoked = (await stored(store, key))!;
    expect(revoked).toMatchObject({ state: 'revoked', privateKey: null, retiredAt: null });
    expect(revoked.authenticator).toEqual(REVOKED);
    expect(revoked.verifyUntil! - revoked.revokedAt!).toBeCloseTo(VERIFY_FOR, -1);
  });

  test('a retired key that is revoked goes when it would have gone', async () => {
    const key = await add(store, 'active');
    await store.change(null, () => [retire(key.kid)]);
    const { verifyUntil } = (await stored(store, key))!;
    await store.change(null, () => [revoke(key.kid)]);
    expect(await stored(store, key)).toMatchObject({
      state: 'revoked',
      verifyUntil,
      authenticator: REVOKED,
    });
  });

  test('a deleted key is gone', async () => {
    const key = await add(store, 'active');
    await store.change(null, () => [step('delete', key.kid)]);
    expect((await store.load()).keys).toEqual([]);
  });

  test.each<[rule: string, candidate: (key: NewSigningKey) => NewSigningKey | null]>([
    ['without a candidate', () => null],
    ['a key of a kid that is there', ({ kid }) => candidateKey({ kid })],
  ])('to publish %s fails, and the steps beside it are not made', async (_rule, candidateFor) => {
    const key = await add(store, 'active');
    const before = await store.load();
    const steps = [revoke(key.kid), ...publish('active')];
    const change = store.change(candidateFor(key), () => steps);
    await expect(change).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' });
    expect((await store.load()).keys).toEqual(before.keys);
  });
});

describe('on PostgreSQL', () => {
  let database: TestDatabase;
  let source: DataSource;
  let store: TypeOrmSigningKeyStore;
  beforeEach(async () => {
    database = await createDatabase();
    source = await database.connect();
    store = new TypeOrmSigningKeyStore(source, storeOptions);
  });
  afterEach(() => database.drop());

  test('changes at the same instant come one after the other: each sees what the one before it left', async () => {
    const stores = await Promise.all(
      Array.from(
        { length: 3 },
        async () => new TypeOrmSigningKeyStore(await database.connect(), storeOptions),
      ),
    );
    const results = await Promise.all(
      Array.from({ length: 30 }, (_, at) =>
        stores[at % 3]!.change(candidateKey(), (keys) => {
          const active = keys.find(({ state }) => state === 'active');
          return [...(active ? [retire(active.kid)] : []), ...publish('active')];
        }),
      ),
    );
    const { keys } = await store.load();
    expect(keys).toHaveLength(30);
    expect(keys.filter(({ state }) => state === 'active')).toHaveLength(1);
    expect(results.map((result) => result.keys.length).toSorted((left, right) => left - right)).toEqual(
      Array.from({ length: 30 }, (_, at) => at + 1),
    );
  });

  test('the table itself refuses a key without an authenticator', async () => {
    await add(store, 'active');
    await expect(database.query(`update signing_key set authenticator = null`)).rejects.toThrow(
      /"authenticator"/,
    );
  });

  test.each(['active', 'pending'] as const)('the table itself refuses a second %s key', async (state) => {
    const key = await add(store, state);
    const second = store.change(candidateKey(), () => publish(state));
    await expect(second).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE', cause: { code: '23505' } });
    expect((await store.load()).keys.map(({ kid }) => kid)).toEqual([key.kid]);
  });

  test('the table itself refuses a state that is none', async () => {
    await add(store, 'active');
    await expect(database.query(`update signing_key set state = 'lost'`)).rejects.toThrow(
      /signing_key_state_check/,
    );
  });

  test('a change that fails half-way has changed nothing', async () => {
    const old = await add(store, 'active');
    await add(store, 'pending');
    const steps: KeyStep[] = [retire(old.kid), ...publish('pending')];
    await expect(store.change(candidateKey(), () => steps)).rejects.toBeInstanceOf(UnavailableError);
    expect(await stored(store, old)).toMatchObject({ state: 'active', privateKey: old.privateKey });
  });

  test('the lock is waited for no longer than the lock timeout, and the session is left as it was', async () => {
    const one = await database.connect({ poolSize: 1 });
    const held: QueryRunner = (await database.connect()).createQueryRunner();
    await held.startTransaction();
    await held.query(`select pg_advisory_xact_lock(29799, hashtext('"signing_key"'))`);
    const begun = performance.now();
    const waiting = new TypeOrmSigningKeyStore(one, impatientOptions);
    await expect(waiting.change(null, () => [])).rejects.toMatchObject({ cause: { code: '55P03' } });
    expect(performance.now() - begun).toBeLessThan(5000);
    expect(await waiting.load()).toMatchObject({ keys: [] });
    await held.rollbackTransaction();
    await held.release();
    expect(await one.query('show lock_timeout')).toEqual([{ lock_timeout: '0' }]);
    expect(await one.query('show transaction_isolation')).toEqual([
      { transaction_isolation: 'read committed' },
    ]);
  });

  test('under another default isolation a change still sees what the lock waited for', async () => {
    const name = new URL(database.url).pathname.slice(1);
    await database.query(`alter database "${name}" set default_transaction_isolation to 'repeatable read'`);
    const strict = new TypeOrmSigningKeyStore(await database.connect(), storeOptions);
    const counts = await Promise.all(
      Array.from({ length: 8 }, () =>
        strict.change(candidateKey(), (keys) => (keys.length === 0 ? publish('active') : [])),
      ),
    );
    expect(counts.map(({ keys }) => keys.length)).toEqual(Array(8).fill(1));
  });

  test('a standby is not believed', async () => {
    // No second server: a function of the same name, found first, says what a standby would say.
    await database.query('create schema fake');
    await database.query('create function fake.pg_is_in_recovery() returns boolean return true');
    const name = new URL(database.url).pathname.slice(1);
    await database.query(`alter database "${name}" set search_path to fake, pg_catalog, public`);
    const standby = new TypeOrmSigningKeyStore(await database.connect(), storeOptions);
    const refusal = { code: 'ERR_STORE_UNAVAILABLE', cause: { message: 'The database is a standby' } };
    await expect(standby.load()).rejects.toMatchObject(refusal);
    await expect(standby.change(candidateKey(), () => publish('active'))).rejects.toMatchObject(refusal);
    expect((await store.load()).keys).toEqual([]);
  });

  test('without the table the error says what to run', async () => {
    await database.query('drop table signing_key');
    await expect(store.load()).rejects.toMatchObject({
      cause: { message: expect.stringContaining('tokenFamilyMigrations') },
    });
  });

  test('parsers and formats the application has set change nothing', async () => {
    await add(store, 'active');
    const before = await store.load();
    const name = new URL(database.url).pathname.slice(1);
    for (const setting of [
      `datestyle to 'German'`,
      `timezone to 'Asia/Kolkata'`,
      `bytea_output to 'escape'`,
    ]) {
      await database.query(`alter database "${name}" set ${setting}`);
    }
    const other = new TypeOrmSigningKeyStore(await database.connect(), storeOptions);
    expect((await other.load()).keys).toEqual(before.keys);
  });

  test('a schema and a prefix of its own hold the table', async () => {
    const options = {
      ...dataSourceOptions(database.url),
      migrations: tokenFamilyMigrations,
      schema: 'auth',
      entityPrefix: 'my_',
    };
    await database.query('create schema auth');
    const own = await new DataSource(options).initialize();
    await own.runMigrations();
    const there = new TypeOrmSigningKeyStore(own, storeOptions);
    const { kid } = await add(there, 'active');
    expect(await database.query('select kid from auth.my_signing_key')).toEqual([{ kid }]);
    expect((await store.load()).keys).toEqual([]);
    await own.destroy();
  });
});
