import { createHash, randomUUID } from 'node:crypto';
import * as fc from 'fast-check';
import type { DataSource } from 'typeorm';
import { decideRotation, type Presented } from '../libs/auth/src/core/rotation.js';
import type { Rotation } from '../libs/auth/src/core/ports.js';
import { TypeOrmRefreshTokenStore } from '../libs/auth/src/storage/typeorm.store.js';
import { createDatabase, type TestDatabase } from './support/database.js';
import { codec, storeOptions } from './support/stores.js';

/*
 * The hot statement says in SQL what the judge says in TypeScript. Here PostgreSQL's clock stands still, so that
 * both are asked at the same moment, the last millisecond of every boundary included.
 */
const NOW = Date.UTC(2030, 0, 1);
const hashOf = (text: string) => createHash('sha256').update(text).digest();

let database: TestDatabase;
let source: DataSource;
beforeAll(async () => {
  database = await createDatabase();
  await database.query('create schema frozen');
  await database.query(
    `create function frozen.clock_timestamp() returns timestamptz language sql stable
     as $$ select timestamptz '2030-01-01 00:00:00Z' $$`,
  );
  const name = new URL(database.url).pathname.slice(1);
  // pg_catalog is searched first unless it is named: named last, it leaves the frozen clock in force.
  await database.query(`alter database "${name}" set search_path = frozen, public, pg_catalog`);
  source = await database.connect({ poolSize: 2 });
});
afterAll(() => database.drop());

interface Token {
  /** its generation, relative to the row's */
  readonly offset: number;
  readonly step: 'current' | 'parent' | 'wrong';
}

/** One row and one presentation, in the words of the judge's table. */
interface State {
  readonly generation: number;
  readonly token: Token;
  readonly root: 'right' | 'wrong';
  readonly client: 'same' | 'other';
  readonly spentWith: 'key' | 'none';
  readonly sentWith: 'key' | 'other key' | 'none';
  readonly revoked: boolean;
  /** milliseconds from now to each end */
  readonly idle: number;
  readonly absolute: number;
  /** seconds */
  readonly leeway: number;
  /** milliseconds */
  readonly waited: number;
  /** milliseconds by which the row is older than leeway and waiting together */
  readonly beyond: number;
}

/** Mostly what lets a rotation pass, so that each condition alone is often the one that decides. */
const mostly = <T>(usual: T, ...others: T[]) =>
  fc.oneof(
    { weight: 15, arbitrary: fc.constant(usual) },
    { weight: 2, arbitrary: fc.constantFrom(...others) },
  );

const tokens: fc.Arbitrary<Token> = fc.oneof(
  { weight: 9, arbitrary: fc.constant<Token>({ offset: 0, step: 'current' }) },
  { weight: 3, arbitrary: fc.constant<Token>({ offset: -1, step: 'parent' }) },
  {
    weight: 4,
    arbitrary: fc.record({
      offset: fc.constantFrom(-2, -1, 0, 1, 8, 9),
      step: fc.constantFrom<Token['step'][]>('current', 'parent', 'wrong'),
    }),
  },
);

const states: fc.Arbitrary<State> = fc.record({
  generation: fc.constantFrom(0, 1, 2, 7),
  token: tokens,
  root: mostly<State['root']>('right', 'wrong'),
  client: mostly<State['client']>('same', 'other'),
  spentWith: fc.constantFrom('key', 'none'),
  sentWith: fc.constantFrom('key', 'other key', 'none'),
  revoked: mostly(false, true),
  idle: mostly(1, -1, 0, 3_600_000),
  absolute: mostly(3_600_000, -1, 0, 1),
  leeway: fc.constantFrom(0, 0.001, 10),
  waited: fc.constantFrom(0, 1, 4_000),
  beyond: fc.constantFrom(-1, 0, 1, 3_600_000),
});

const at = (ms: number) => new Date(ms).toISOString();
const keyHash = (key: string) => (key === 'none' ? null : hashOf(key));
const ageOf = ({ leeway, waited, beyond }: State) => leeway * 1000 + waited + beyond;

async function insert(familyId: string, state: State): Promise<void> {
  const row = {
    family_id: familyId,
    subject: 'alice',
    client_id: 'web',
    generation: state.generation,
    root_hash: hashOf('root'),
    step_hash: hashOf('current'),
    parent_hash: state.generation > 0 ? hashOf('parent') : null,
    attempt_hash: state.generation > 0 ? keyHash(state.spentWith) : null,
    key_id: 1,
    issued_at: at(NOW - 86_400_000),
    rotated_at: at(NOW - ageOf(state)),
    idle_expires_at: at(NOW + state.idle),
    expires_at: at(NOW + state.absolute),
    revoked_at: state.revoked ? at(NOW - 1) : null,
  };
  const places = Object.keys(row).map((_, index) => `$${index + 1}`);
  await source.query(
    `insert into refresh_token (${Object.keys(row).join(', ')}) values (${places.join(', ')})`,
    Object.values(row),
  );
}

function rotationOf(familyId: string, { generation, ...state }: State): Rotation {
  const token = {
    ...codec.first(NOW),
    familyId,
    generation: Math.max(0, generation + state.token.offset),
    rootHash: hashOf(state.root === 'right' ? 'root' : 'no root'),
    stepHash: hashOf(state.token.step),
  };
  return {
    token,
    successor: { ...token, generation: token.generation + 1, stepHash: hashOf('successor') },
    clientId: state.client === 'same' ? 'web' : 'phone',
    attemptHash: keyHash(state.sentWith),
    waited: state.waited,
  };
}

const storeWith = (leeway: number) =>
  new TypeOrmRefreshTokenStore(source, {
    ...storeOptions,
    refreshToken: { ...storeOptions.refreshToken, leeway },
  });

test('the hot statement writes exactly when the judge says rotate', async () => {
  const stores = new Map([0, 0.001, 10].map((leeway) => [leeway, storeWith(leeway)]));
  const seen = new Map<string, number>();

  await fc.assert(
    fc.asyncProperty(states, async (state) => {
      const store = stores.get(state.leeway)!;
      const familyId = randomUUID();
      await insert(familyId, state);
      const rotation = rotationOf(familyId, state);
      const { token, clientId, attemptHash, waited } = rotation;
      const presented: Presented = { ...token, clientId, attemptHash };
      const before = await store.look(familyId);
      expect(before.now).toBe(NOW);

      const policy = { leeway: state.leeway * 1000 };
      const moment = { now: NOW, presentedAt: NOW - waited };
      const verdict = decideRotation(presented, before.family, policy, moment);
      const grant = await store.rotate(rotation);
      const after = await store.look(familyId);

      expect(grant === null ? 'nothing' : 'rotate').toBe(verdict.kind === 'rotate' ? 'rotate' : 'nothing');
      const written = {
        generation: state.generation + 1,
        stepHash: hashOf('successor'),
        parentHash: hashOf('current'),
        attemptHash,
        rotatedAt: NOW,
        idleExpiresAt: Math.min(NOW + storeOptions.refreshToken.idleLifetime * 1000, NOW + state.absolute),
      };
      expect(after.family).toEqual(grant === null ? before.family : { ...before.family, ...written });
      const name = verdict.kind === 'refuse' ? verdict.reason : verdict.kind;
      seen.set(name, (seen.get(name) ?? 0) + 1);
    }),
    { numRuns: 1500, seed: Number(process.env['AGREEMENT_SEED'] ?? 1) },
  );

  // A generator that never reached a verdict would prove nothing about it; the seed keeps that from being luck.
  const verdicts = [
    'forged',
    'revoked',
    'client_mismatch',
    'expired',
    'idle',
    'repeat',
    'key_reused',
    'rotate',
  ];
  expect([...seen.keys()]).toEqual(
    expect.arrayContaining([...verdicts, 'retry', 'advance', 'ahead', 'reuse']),
  );
  expect(seen.get('rotate')).toBeGreaterThan(100);
});
