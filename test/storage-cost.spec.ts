import type { DataSource } from 'typeorm';
import type { RefreshTokenParts } from '../libs/auth/src/core/refresh-token.js';
import { statementsFor } from '../libs/auth/src/storage/statements.js';
import { TypeOrmRefreshTokenStore } from '../libs/auth/src/storage/typeorm.store.js';
import { createDatabase, type TestDatabase } from './support/database.js';
import { codec, login, rotationOf, storeOptions } from './support/stores.js';

const ROTATIONS = 1000;

let database: TestDatabase;
/** one connection, whose own statistics can be flushed */
let source: DataSource;
let store: TypeOrmRefreshTokenStore;
beforeAll(async () => {
  database = await createDatabase();
  source = await database.connect({ poolSize: 1 });
  store = new TypeOrmRefreshTokenStore(source, {
    ...storeOptions,
    refreshToken: { ...storeOptions.refreshToken, leeway: 0 },
  });
});
afterAll(() => database.drop());

interface Updates {
  readonly updates: number;
  readonly hot: number;
}

/** Statistics arrive a moment after their statements: asked again until `updates` of them are there. */
async function updatesOnceThereAre(updates: number): Promise<Updates> {
  const deadline = performance.now() + 10_000;
  for (;;) {
    await source.query('select pg_stat_force_next_flush()');
    const [counted] = await database.query<Updates>(
      `select n_tup_upd::int as updates, n_tup_hot_upd::int as hot
       from pg_stat_user_tables where relname = 'refresh_token'`,
    );
    if (counted!.updates >= updates || performance.now() > deadline) return counted!;
  }
}

test('a thousand rotations leave one row, are HOT updates, and the table does not grow', async () => {
  const given = login({ scope: 'read write', claims: { plan: 'pro' }, device: { agent: 'Mozilla/5.0' } });
  await store.insert(given);
  let token: RefreshTokenParts = given.token;
  for (let count = 0; count < ROTATIONS; count++) {
    const rotation = rotationOf(token);
    expect(await store.rotate(rotation)).not.toBeNull();
    token = rotation.successor;
  }
  expect(await database.query('select generation from refresh_token')).toEqual([{ generation: ROTATIONS }]);
  const { updates, hot } = await updatesOnceThereAre(ROTATIONS);
  expect(updates).toBe(ROTATIONS);
  expect(hot / updates).toBeGreaterThanOrEqual(0.98);
  const [size] = await database.query<{ pages: number }>(
    `select (pg_relation_size('refresh_token') / current_setting('block_size')::int)::int as pages`,
  );
  expect(size!.pages).toBeLessThanOrEqual(4);
});

interface Explained {
  readonly 'QUERY PLAN': [{ Plan: { 'WAL Bytes': number } }];
}

/**
 * Measured statement by statement, since other spec files write to the same server; and as a median, since the
 * first change of a page after a checkpoint carries the whole page. The commit record, some 40 bytes, comes on top.
 */
test('a rotation writes 160 to 280 bytes of WAL before its commit', async () => {
  const { text } = statementsFor('"refresh_token"').rotate;
  const given = login();
  await store.insert(given);
  let { token } = given as { token: RefreshTokenParts };
  const bytes: number[] = [];
  for (let count = 0; count < 200; count++) {
    const { successor } = rotationOf(token);
    const [explained] = await source.query<Explained[]>(`explain (analyze, wal, format json) ${text}`, [
      '2000',
      token.familyId,
      token.generation,
      token.rootHash,
      token.stepHash,
      null,
      successor.stepHash,
      successor.keyId,
      storeOptions.refreshToken.idleLifetime,
      0,
      given.clientId,
    ]);
    bytes.push(explained!['QUERY PLAN'][0].Plan['WAL Bytes']);
    token = codec.successor(token);
  }
  const [row] = await database.query('select generation from refresh_token where family_id = $1', [
    given.token.familyId,
  ]);
  expect(row).toEqual({ generation: 200 });
  const median = bytes.toSorted((left, right) => left - right)[bytes.length / 2]!;
  expect(median).toBeGreaterThanOrEqual(160);
  expect(median).toBeLessThanOrEqual(280);
});
