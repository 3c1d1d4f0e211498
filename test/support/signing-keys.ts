import type { SigningKeyStore } from '../../libs/auth/src/core/ports.js';
import { MemorySigningKeyStore } from '../../libs/auth/src/storage/memory-signing-key.store.js';
import { TypeOrmSigningKeyStore } from '../../libs/auth/src/storage/typeorm-signing-key.store.js';
import { createDatabase, type TestDatabase } from './database.js';

/** seconds; enough for many at once on a busy machine */
export const storeOptions = { database: { lockTimeout: 10, queryTimeout: 20, preparedStatements: true } };
export const impatientOptions = { database: { ...storeOptions.database, lockTimeout: 0.2 } };

/** A store of signing keys, and its clock. */
export interface KeyWorld {
  readonly store: SigningKeyStore;
  /** moves the store's clock forward, in milliseconds */
  pass(time: number): Promise<void>;
  close(): Promise<void>;
}

/** Moves the clock of every signing key forward, in milliseconds: all their times go back by so much. */
export async function passKeyTime(database: TestDatabase, time: number): Promise<void> {
  const columns = ['published_at', 'activated_at', 'retired_at', 'verify_until', 'revoked_at'];
  const back = columns.map((column) => `${column} = ${column} - $1 * interval '1 millisecond'`);
  await database.query(`update signing_key set ${back.join(', ')}`, [time]);
}

/** Every store there is, for one contract. */
export const keyWorlds: [string, () => Promise<KeyWorld>][] = [
  [
    'PostgreSQL',
    async () => {
      const database = await createDatabase();
      const store = new TypeOrmSigningKeyStore(await database.connect(), storeOptions);
      return { store, pass: (time) => passKeyTime(database, time), close: () => database.drop() };
    },
  ],
  [
    'memory',
    async () => {
      let now = Date.UTC(2026, 0, 1);
      const store = new MemorySigningKeyStore(() => ++now);
      return { store, pass: async (time) => void (now += time), close: async () => {} };
    },
  ],
];
