import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { DataSource, type DataSourceOptions } from 'typeorm';
import {
  RefreshToken,
  SigningKeyRecord,
  TokenAudit,
  tokenFamilyAuditMigrations,
} from 'nestjs-token-family/typeorm';
import { withDatabase } from './database-name.js';

export interface ConnectOptions {
  readonly poolSize?: number;
  readonly logging?: boolean;
  /** with the entity of the audit trail; its table is made by `withAuditTable` */
  readonly audit?: boolean;
  /** addresses of standbys, for TypeORM's `replication` */
  readonly replicas?: readonly string[] | undefined;
}

export interface TestDatabase {
  readonly url: string;
  /** A data source of its own pool on this database; closed by `drop`. */
  connect(options?: ConnectOptions): Promise<DataSource>;
  /** One statement, for looking at rows and for moving them back in time. */
  query<Row extends object>(sql: string, parameters?: unknown[]): Promise<Row[]>;
  /**
   * Moves the clock of every family forward: all their times go back by so much.
   *
   * @param seconds may be negative
   */
  passTime(seconds: number): Promise<void>;
  drop(): Promise<void>;
}

/** A fresh database with our tables, on a real PostgreSQL. `empty` leaves the tables out. */
export async function createDatabase({ empty = false } = {}): Promise<TestDatabase> {
  const serverUrl = process.env['TEST_SERVER_URL']!;
  const name = `token_family_${process.pid}_${randomBytes(4).toString('hex')}`;
  await onServer(
    serverUrl,
    `CREATE DATABASE "${name}"${empty ? '' : ` TEMPLATE "${process.env['TEST_TEMPLATE']}"`}`,
  );
  const url = withDatabase(serverUrl, name);
  const own = await new DataSource(dataSourceOptions(url, { poolSize: 2 })).initialize();
  const sources = [own];
  const query = <Row extends object>(sql: string, parameters: unknown[] = []): Promise<Row[]> =>
    own.query(sql, parameters);
  return {
    url,
    query,
    connect: async (options = {}) => {
      const source = await new DataSource(dataSourceOptions(url, options)).initialize();
      sources.push(source);
      return source;
    },
    passTime: async (seconds) => {
      const back = (column: string) => `${column} = ${column} - $1 * interval '1 second'`;
      const columns = ['issued_at', 'rotated_at', 'idle_expires_at', 'expires_at', 'revoked_at'];
      await query(`update refresh_token set ${columns.map(back).join(', ')}`, [seconds]);
    },
    drop: async () => {
      for (const source of sources) if (source.isInitialized) await source.destroy();
      await onServer(serverUrl, `DROP DATABASE "${name}" WITH (FORCE)`);
    },
  };
}

/** Makes the table of the audit trail, which the template leaves out as applications may. */
export async function withAuditTable(database: TestDatabase): Promise<TestDatabase> {
  const options = dataSourceOptions(database.url, { audit: true });
  const source = await new DataSource({ ...options, migrations: tokenFamilyAuditMigrations }).initialize();
  await source.runMigrations();
  await source.destroy();
  return database;
}

export function dataSourceOptions(
  url: string,
  { poolSize = 10, logging = false, audit = false, replicas = [] }: ConnectOptions = {},
): DataSourceOptions {
  return {
    type: 'postgres',
    url,
    ...(replicas.length > 0 && {
      replication: { master: { url }, slaves: replicas.map((replica) => ({ url: replica })) },
    }),
    installExtensions: false,
    entities: [RefreshToken, SigningKeyRecord, ...(audit ? [TokenAudit] : [])],
    poolSize,
    logging,
  };
}

/** CREATE DATABASE copies a template that nobody else may be connected to: another worker may be copying it too. */
async function onServer(url: string, sql: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query('select pg_advisory_lock(1)');
    await client.query(sql);
  } finally {
    await client.end();
  }
}
