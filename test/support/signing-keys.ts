import { randomBytes } from 'node:crypto';
import type { JudgedSigningKey, KeyPolicy, NewSigningKey } from '../../libs/auth/src/core/key-schedule.js';
import type { SigningKeyStore } from '../../libs/auth/src/core/ports.js';
import { MemorySigningKeyStore } from '../../libs/auth/src/storage/memory-signing-key.store.js';
import { TypeOrmSigningKeyStore } from '../../libs/auth/src/storage/typeorm-signing-key.store.js';
import { createDatabase, type TestDatabase } from './database.js';

const HOUR = 3_600_000;

/** seconds; enough for many at once on a busy machine */
export const storeOptions = { database: { lockTimeout: 10, queryTimeout: 20, preparedStatements: true } };
export const impatientOptions = { database: { ...storeOptions.database, lockTimeout: 0.2 } };

/** milliseconds */
export const policy: KeyPolicy = {
  algorithm: 'ES256',
  rotateEvery: 720 * HOUR,
  publishLead: HOUR,
  verifyFor: HOUR + 365_000,
};

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

/** Of a shape to be stored; no key anybody could sign with. */
export function candidateKey(changes: Partial<NewSigningKey> = {}): NewSigningKey {
  const kid = randomBytes(32).toString('base64url');
  return {
    kid,
    algorithm: 'ES256',
    publicKey: { kty: 'EC', x: kid },
    privateKey: randomBytes(80),
    authenticator: randomBytes(33),
    ...changes,
  };
}

export function storedKey(changes: Partial<JudgedSigningKey> = {}): JudgedSigningKey {
  return {
    ...candidateKey(),
    state: 'active',
    standing: 'sound',
    publishedAt: 0,
    activatedAt: null,
    retiredAt: null,
    verifyUntil: null,
    revokedAt: null,
    ...changes,
  };
}
