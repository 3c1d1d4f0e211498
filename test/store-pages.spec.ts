import type { DataSource } from 'typeorm';
import { UnavailableError } from 'nestjs-token-family';
import type { RevokedFamily, RevokedSession } from '../libs/auth/src/core/ports.js';
import { statementsFor } from '../libs/auth/src/storage/statements.js';
import { TypeOrmRefreshTokenStore } from '../libs/auth/src/storage/typeorm.store.js';
import { createDatabase, type TestDatabase } from './support/database.js';
import { lockFamily, seedFamilies, seededId } from './support/seed.js';
import { login, storeOptions } from './support/stores.js';

const DAY = 86_400_000;

let database: TestDatabase;
let source: DataSource;
let store: TypeOrmRefreshTokenStore;
beforeEach(async () => {
  database = await createDatabase();
  source = await database.connect();
  store = new TypeOrmRefreshTokenStore(source, storeOptions);
});
afterEach(() => database.drop());

async function count(where: string): Promise<number> {
  const [row] = await database.query<{ count: number }>(
    `select count(*)::int as count from refresh_token where ${where}`,
  );
  return row!.count;
}

describe('what was revoked', () => {
  async function pages(): Promise<RevokedSession[][]> {
    const taken: RevokedSession[][] = [];
    await store.revokedWithin(60_000, (sessions) => taken.push([...sessions]));
    return taken;
  }

  test.each<[string, string]>([
    ['a microsecond apart', `now() - interval '30 seconds' + n * interval '1 microsecond'`],
    [
      'at one and the same moment',
      `date_trunc('second', now()) - interval '30 seconds' + interval '3 microseconds'`,
    ],
    ['a thousand in each microsecond', `now() - interval '30 seconds' + n / 1000 * interval '1 microsecond'`],
  ])('%s is told in pages of 10,000, each session once, in order', async (_, revokedAt) => {
    await seedFamilies(database, 25_000, { revokedAt });
    const taken = await pages();
    expect(taken.map(({ length }) => length)).toEqual([10_000, 10_000, 5_000]);
    const told = taken.flat();
    expect(new Set(told.map(({ sid }) => sid)).size).toBe(25_000);
    const times = told.map((session) => session.revokedAt);
    expect(times).toEqual(times.toSorted((left, right) => left - right));
  });

  test('of exactly a page is told to the end', async () => {
    await seedFamilies(database, 10_000, { revokedAt: 'now()' });
    expect((await pages()).map(({ length }) => length)).toEqual([10_000, 0]);
  });

  test('is as of its first page: what is committed meanwhile is for the next reading', async () => {
    await seedFamilies(database, 10_001, { revokedAt: `now() - interval '1 second'` });
    let first: number | undefined;
    const { now } = await store.revokedWithin(60_000, () => (first ??= Date.now()));
    expect(now).toBeLessThanOrEqual(first! + 1);
  });

  test('is read through the index on every page', async () => {
    await seedFamilies(database, 30_000, { revokedAt: `now() - n * interval '1 minute'` });
    await database.query('analyze refresh_token');
    const { text } = statementsFor('refresh_token').revokedAfter;
    const since = `(extract(epoch from now() - interval '1 hour') * 1000000)`;
    const plan = await database.query<{ 'QUERY PLAN': string }>(
      `explain ${text.replaceAll('$1', since).replaceAll('$2', 'gen_random_uuid()')}`,
    );
    expect(plan.map((line) => line['QUERY PLAN']).join('\n')).toMatch(
      /refresh_token_revoked_at_idx[\s\S]*Index Cond: \(\(?revoked_at >=/,
    );
  });
});

describe('the families of a subject', () => {
  test.each(['sessions', 'evict', 'revokeSubject'] as const)(
    'that have ended cost nothing: %s reads the partial index',
    async (name) => {
      await seedFamilies(database, 1_000, { subject: `'one'`, revokedAt: 'now()' });
      await seedFamilies(database, 5_000, {
        subject: `'subject ' || n`,
        issuedAt: `now() - interval '1 hour'`,
      });
      await database.query('analyze refresh_token');
      const { text } = statementsFor('refresh_token')[name];
      const values = {
        sessions: [`'one'`, '10'],
        evict: [`'1000'`, `'one'`, 'gen_random_uuid()', '3'],
        revokeSubject: [`'one'`, `'logout'`, 'null'],
      }[name];
      const statement = text.replace(/\$(\d)/g, (_, place: string) => values[Number(place) - 1]!);
      const plan = await database.query<{ 'QUERY PLAN': string }>(`explain (analyze, buffers) ${statement}`);
      const lines = plan.map((line) => line['QUERY PLAN']).join('\n');
      expect(lines).toContain('refresh_token_subject_idx');
      expect(Number(/Buffers: shared hit=(\d+)/.exec(lines)![1])).toBeLessThan(30);
    },
  );
});

describe('the end of everyone', () => {
  let steps: RevokedFamily[][];
  async function endAll(clientId?: string): Promise<number> {
    steps = [];
    await store.revokeEvery(clientId === undefined ? {} : { clientId }, 'administrative', (families) => {
      steps.push([...families]);
    });
    return steps.flat().length;
  }

  test.each([[4_999], [5_000], [5_001], [12_345]])('of %i families ends each once', async (size) => {
    await seedFamilies(database, size);
    expect(await endAll()).toBe(size);
    expect(new Set(steps.flat().map(({ sid }) => sid)).size).toBe(size);
    expect(Math.max(...steps.map(({ length }) => length))).toBeLessThanOrEqual(5_000);
    expect(await count('revoked_at is null')).toBe(0);
  });

  test('goes on past pages on which nothing is left to end', async () => {
    await seedFamilies(database, 12_000, {
      revokedAt: `case when n < 11995 then now() - interval '1 hour' end`,
    });
    expect(await endAll()).toBe(6);
    expect(steps.map(({ length }) => length)).toEqual([0, 0, 6]);
  });

  test('of a client leaves the others, wherever the pages break', async () => {
    await seedFamilies(database, 12_000, { clientId: `'client ' || n % 3` });
    expect(await endAll('client 1')).toBe(4_000);
    expect(await count('revoked_at is null')).toBe(8_000);
  });

  test('ends a login from the future: the clock has been set back since', async () => {
    await seedFamilies(database, 1, { issuedAt: `now() + interval '1 hour'` });
    expect(await endAll()).toBe(1);
  });

  test('ends a login from the future though the clock passes it meanwhile, and none that comes after', async () => {
    await seedFamilies(database, 5_000);
    await seedFamilies(database, 1, { issuedAt: `now() + interval '0.5 seconds'` });
    const [begun] = await database.query<{ until: Date }>(
      'select max(issued_at) as until from refresh_token',
    );
    const late = login();
    let told = 0;
    await store.revokeEvery({}, 'administrative', async (families) => {
      told += families.length;
      while (Date.now() <= begun!.until.getTime() + 10) await database.query('select');
      if (families.length > 1) await store.insert(late);
    });
    expect(told).toBe(5_001);
    expect(await count('revoked_at is null')).toBe(1);
  });

  test('goes past a row that is locked, ends all others, and is unavailable in the end; a repeat ends that one', async () => {
    await seedFamilies(database, 12_000);
    const release = await lockFamily(source, 3);
    await expect(endAll()).rejects.toThrow(UnavailableError);
    expect(steps.flat()).toHaveLength(11_999);
    expect(await count('revoked_at is not null')).toBe(11_999);
    await release();
    expect(await endAll()).toBe(1);
  });

  test('comes back to a row that was locked', async () => {
    await seedFamilies(database, 10);
    const release = await lockFamily(source, 3);
    let told = 0;
    await store.revokeEvery({}, 'administrative', async (families) => {
      told += families.length;
      if (told === 9) await release();
    });
    expect(told).toBe(10);
  });

  test('waits for no row, so it is in no circle with the end of a subject, which does', async () => {
    await seedFamilies(database, 3);
    const release = await lockFamily(source, 1);
    const patient = new TypeOrmRefreshTokenStore(source, {
      ...storeOptions,
      database: { ...storeOptions.database, lockTimeout: 3, queryTimeout: 4 },
    });
    const subject = patient.revokeSubject('seeded', 'logout');
    const waiting = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
    while ((await database.query(waiting)).length < 1);
    await expect(endAll()).rejects.toThrow(UnavailableError);
    await release();
    expect((await subject).length + steps.flat().length).toBe(3);
    expect(await count('revoked_at is null')).toBe(0);
  });
});

describe('the deletion of what is over', () => {
  const over = { issuedAt: `now() - interval '40 days'` };

  async function run(): Promise<number> {
    let deleted = 0;
    let after: string | null = null;
    do {
      const page: { deleted: number; next: string | null } = await store.deleteOver(DAY, after);
      deleted += page.deleted;
      after = page.next;
    } while (after !== null);
    return deleted;
  }

  test.each([[999], [1_000], [1_001], [2_500]])(
    'of %i families deletes each, a thousand a step',
    async (size) => {
      await seedFamilies(database, size, over);
      expect((await store.deleteOver(DAY, null)).deleted).toBe(Math.min(size, 1_000));
      expect(await run()).toBe(Math.max(0, size - 1_000));
      expect(await count('true')).toBe(0);
    },
  );

  test('goes past families that were issued under a longer lifetime, and leaves them', async () => {
    await seedFamilies(database, 3_000, {
      ...over,
      expiresAt: `case when n <= 2500 then now() + interval '1 day' else now() - interval '2 days' end`,
    });
    expect(await run()).toBe(500);
    expect(await count('true')).toBe(2_500);
  });

  test('goes by the end of a family, not by its beginning', async () => {
    await seedFamilies(database, 10, { ...over, expiresAt: `now() - interval '23 hours'` });
    expect(await run()).toBe(0);
  });

  test('leaves what a node made whose clock was behind', async () => {
    await seedFamilies(database, 10, { familyId: seededId(`now() - interval '1 year'`) });
    expect(await run()).toBe(0);
  });

  test('by two nodes at once beside a locked row waits for nobody, deletes each once, and the locked one the next time', async () => {
    await seedFamilies(database, 3_000, over);
    const release = await lockFamily(source, 1500);
    const begun = performance.now();
    const both = await Promise.all([run(), run()]);
    expect(both[0] + both[1]).toBe(2_999);
    expect(performance.now() - begun).toBeLessThan(storeOptions.database.queryTimeout * 1000);
    await release();
    expect(await run()).toBe(1);
  });
});
