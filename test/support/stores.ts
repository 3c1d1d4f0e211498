import { randomBytes } from 'node:crypto';
import type { Family } from '../../libs/auth/src/core/family.js';
import { resolveOptions } from '../../libs/auth/src/core/resolve-options.js';
import type { ResolvedOptions } from '../../libs/auth/src/core/options.js';
import type { Login, RefreshTokenStore, Rotation } from '../../libs/auth/src/core/ports.js';
import { RefreshTokenCodec, type RefreshTokenParts } from '../../libs/auth/src/core/refresh-token.js';
import { MemoryRefreshTokenStore } from '../../libs/auth/src/storage/memory.store.js';
import { TypeOrmRefreshTokenStore } from '../../libs/auth/src/storage/typeorm.store.js';
import { createDatabase } from './database.js';
import { options } from './node.js';

/** seconds */
export const HOUR = 3600;
export const DAY = 24 * HOUR;
export const LEEWAY = 10;
export const storeOptions = resolveOptions(
  options({
    refreshToken: {
      keys: [{ id: 1, secret: randomBytes(32) }],
      lifetime: '30d',
      idleLifetime: '7d',
      leeway: LEEWAY,
    },
    database: { lockTimeout: 0.2, queryTimeout: 2 },
  }),
);
export const codec = new RefreshTokenCodec(storeOptions.refreshToken.keys);

/** A store, and its clock. */
export interface World {
  readonly store: RefreshTokenStore;
  /** moves the store's clock forward, in seconds */
  pass(seconds: number): Promise<void>;
  close(): Promise<void>;
}

/** Every store there is, for one contract. */
export const worlds: [string, (settings?: ResolvedOptions) => Promise<World>][] = [
  [
    'PostgreSQL',
    async (settings = storeOptions) => {
      const database = await createDatabase();
      const store = new TypeOrmRefreshTokenStore(await database.connect(), settings);
      return { store, pass: (seconds) => database.passTime(seconds), close: () => database.drop() };
    },
  ],
  [
    'memory',
    async (settings = storeOptions) => {
      let now = Date.UTC(2026, 0, 1);
      // A clock that stood still would hide what the passing of time within a test does on PostgreSQL.
      const store = new MemoryRefreshTokenStore(settings, () => ++now);
      return { store, pass: async (seconds) => void (now += seconds * 1000), close: async () => {} };
    },
  ],
];

let logins = 0;

/** A login of a subject of its own, later than the one before it. */
export function login(changes: Partial<Login> = {}): Login {
  const token = codec.first(Date.UTC(2026, 0, 1) + ++logins);
  const rest = { subject: `subject ${logins}`, clientId: 'web', scope: null, claims: null, device: null };
  return { token, ...rest, ...changes };
}

export function rotationOf(token: RefreshTokenParts, changes: Partial<Rotation> = {}): Rotation {
  return {
    token,
    successor: codec.successor(token),
    clientId: 'web',
    attemptHash: null,
    waited: 0,
    ...changes,
  };
}

export async function familyOf(
  store: RefreshTokenStore,
  { familyId }: { familyId: string },
): Promise<Family> {
  return (await store.look(familyId)).family!;
}
