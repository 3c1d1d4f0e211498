import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DataSource, type MigrationInterface, type QueryRunner } from 'typeorm';
import {
  RefreshToken,
  SigningKeyRecord,
  TokenAudit,
  tokenFamilyAuditMigrations,
  tokenFamilyMigrations,
} from 'nestjs-token-family/typeorm';
import { createDatabase, dataSourceOptions, type TestDatabase } from './support/database.js';

/** What our migrations come to, for review: a change of them shows here as a change of this text. */
const COMMITTED = readFileSync(join(__dirname, 'schema.txt'), 'utf8');
const COMMITTED_AUDIT = readFileSync(join(__dirname, 'schema-audit.txt'), 'utf8');
/** With the audit trail, which an application may leave out. */
const ALL = [...tokenFamilyMigrations, ...tokenFamilyAuditMigrations];

const TABLES = `c.relkind = 'r' and c.relnamespace = 'public'::regnamespace and c.relname <> 'migrations'`;
/** NOT NULL is told by its column: PostgreSQL 18 also lists it as a constraint, the versions before do not. */
const SCHEMA = `
  select line from (
    select c.relname, 0, c.relname, concat('table ', c.relname, ' with ' || array_to_string(c.reloptions, ', '))
      from pg_class c where ${TABLES}
    union all
    select c.relname, 1, to_char(a.attnum, 'FM00'), concat_ws(' ', '  column', a.attname, format_type(a.atttypid, a.atttypmod),
        case when a.attnotnull then 'not null' else 'null' end, 'default ' || pg_get_expr(d.adbin, d.adrelid))
      from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum where ${TABLES}
    union all
    select c.relname, 2, k.conname, concat_ws(' ', '  constraint', k.conname, pg_get_constraintdef(k.oid))
      from pg_class c join pg_constraint k on k.conrelid = c.oid and k.contype <> 'n' where ${TABLES}
    union all
    select c.relname, 3, x.relname, concat('  ', pg_get_indexdef(i.indexrelid))
      from pg_class c join pg_index i on i.indrelid = c.oid join pg_class x on x.oid = i.indexrelid where ${TABLES}
  ) as lines (relation, kind, name, line)
  order by relation collate "C", kind, name collate "C"`;

class CreateInvoice1600000000000 implements MigrationInterface {
  readonly name = 'CreateInvoice1600000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('create table invoice (id integer primary key)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table invoice');
  }
}

class AddOwner1900000000000 implements MigrationInterface {
  readonly name = 'AddOwner1900000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('alter table invoice add owner uuid references refresh_token (family_id)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table invoice drop owner');
  }
}

let database: TestDatabase;
let source: DataSource;

async function start(
  migrations: (new () => MigrationInterface)[],
  { audit = false, into }: { audit?: boolean; into?: string } = {},
): Promise<void> {
  database = await createDatabase({ empty: true });
  if (into) await database.query(`create schema "${into}"`);
  const options = {
    ...dataSourceOptions(database.url, { audit }),
    migrations,
    ...(into && { schema: into }),
  };
  source = await new DataSource(options).initialize();
}
afterEach(async () => {
  await source.destroy();
  await database.drop();
});

async function schema(): Promise<string> {
  const rows = await database.query<{ line: string }>(SCHEMA);
  return rows.map(({ line }) => `${line}\n`).join('');
}

describe.each([
  ['our migrations', tokenFamilyMigrations, COMMITTED, false],
  ['our migrations, those of the audit trail with them', ALL, COMMITTED + COMMITTED_AUDIT, true],
])('%s', (_title, migrations, committed, audit) => {
  beforeEach(() => start(migrations, { audit }));

  test('make the schema that is written down', async () => {
    await source.runMigrations();
    expect(await schema()).toBe(committed);
  });

  test('go down to nothing, and up again to the same', async () => {
    await source.runMigrations();
    for (const _ of migrations) await source.undoLastMigration();
    expect(await schema()).toBe('');
    expect(await source.showMigrations()).toBe(true);
    await source.runMigrations();
    expect(await schema()).toBe(committed);
  });

  test('run once: a second run has nothing to do', async () => {
    expect(await source.runMigrations()).toHaveLength(migrations.length);
    expect(await source.runMigrations()).toEqual([]);
    expect(await source.showMigrations()).toBe(false);
  });

  test('and the entities say the same: nothing is left to generate', async () => {
    await source.runMigrations();
    const { upQueries, downQueries } = await source.driver.createSchemaBuilder().log();
    expect({ up: upQueries, down: downQueries }).toEqual({ up: [], down: [] });
  });

  test('carry names that end in the time of their making, ascending', () => {
    const times = migrations.map((migration) => Number(/\d{13}$/.exec(new migration().name)?.[0]));
    expect(times).toEqual(times.toSorted((left, right) => left - right));
    expect(times).not.toContain(NaN);
  });
});

describe('beside the migrations of an application', () => {
  beforeEach(() => start([CreateInvoice1600000000000, ...tokenFamilyMigrations, AddOwner1900000000000]));

  test('ours run in the order of their making, and go down in the reverse of it', async () => {
    const names = tokenFamilyMigrations.map((migration) => new migration().name);
    const order = ['CreateInvoice1600000000000', ...names, 'AddOwner1900000000000'];
    const done = await source.runMigrations();
    expect(done.map(({ name }) => name)).toEqual(order);
    expect(await schema()).toContain(COMMITTED);
    expect(await schema()).toContain('FOREIGN KEY (owner) REFERENCES refresh_token(family_id)');
    for (const _ of order) await source.undoLastMigration();
    expect(await schema()).toBe('');
  });

  test("ours touch nothing of the application's", async () => {
    await source.runMigrations();
    await source.undoLastMigration();
    for (const _ of tokenFamilyMigrations) await source.undoLastMigration();
    expect(await schema()).toContain('table invoice');
    expect(await schema()).not.toMatch(/refresh_token|signing_key/);
  });
});

describe('with a schema of its own', () => {
  test('the tables are made there, and the entities find nothing to change', async () => {
    await start(ALL, { audit: true, into: 'auth' });
    await source.runMigrations();
    const entities = [RefreshToken, SigningKeyRecord, TokenAudit];
    const names = ['refresh_token', 'signing_key', 'token_audit'];
    const paths = entities.map((entity) => source.getMetadata(entity).tablePath);
    expect(paths).toEqual(names.map((name) => `auth.${name}`));
    const tables = `select tablename from pg_tables where schemaname = 'auth' and tablename <> 'migrations' order by 1`;
    expect(await database.query(tables)).toEqual(names.map((tablename) => ({ tablename })));
    expect((await source.driver.createSchemaBuilder().log()).upQueries).toEqual([]);
    for (const _ of ALL) await source.undoLastMigration();
    expect(await database.query(tables)).toEqual([]);
  });
});
