import { RefreshToken, SigningKeyRecord, tokenFamilyMigrations } from 'nestjs-token-family/typeorm';
import { DataSource, type DataSourceOptions } from 'typeorm';
import { DevelopmentKey } from '../keys/development-key.entity.js';
import { User } from '../users/user.entity.js';
import { CreateDemo1764000100000 } from './1764000100000-create-demo.js';

/** Any constant: whoever migrates this database takes the same lock. */
const MIGRATION_LOCK = 0x6d696772;

/** The library's entities and migrations stand beside the application's own. */
export function dataSourceOptions(url: string): DataSourceOptions {
  return {
    type: 'postgres',
    url,
    // Our uuids come from the application; without this TypeORM would install an extension for them.
    installExtensions: false,
    entities: [RefreshToken, SigningKeyRecord, User, DevelopmentKey],
    migrations: [...tokenFamilyMigrations, CreateDemo1764000100000],
  };
}

/**
 * Runs the migrations that are pending. Of several nodes that start at once, one migrates and the others wait.
 *
 * @throws {Error} the database cannot be used; the message says what to do
 */
export async function migrate(url: string): Promise<void> {
  const source = await new DataSource(dataSourceOptions(url)).initialize().catch((cause: Error) => {
    const remedy = 'start it, or correct DATABASE_URL; without DATABASE_URL a database is started for you';
    throw new Error(`The database cannot be used (${cause.message}): ${remedy}`, { cause });
  });
  const guard = source.createQueryRunner();
  try {
    await guard.query('select pg_advisory_lock($1)', [MIGRATION_LOCK]);
    await source.runMigrations({ transaction: 'each' });
  } finally {
    // The lock ends with its session.
    await guard.release();
    await source.destroy();
  }
}
