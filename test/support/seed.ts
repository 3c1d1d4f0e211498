import type { DataSource } from 'typeorm';
import type { TestDatabase } from './database.js';

/** SQL expressions, of `n` where rows are to differ; times as they are to stand in the row. */
export interface Seed {
  readonly familyId?: string;
  readonly subject?: string;
  readonly clientId?: string;
  readonly issuedAt?: string;
  readonly expiresAt?: string;
  readonly revokedAt?: string;
}

/** The UUIDv7 of the moment `at`, an SQL expression, numbered by `n`: ids of one moment are in the order of n. */
export function seededId(at: string): string {
  const milliseconds = `(extract(epoch from ${at}) * 1000)::bigint`;
  return `(lpad(to_hex(${milliseconds}), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0'))::uuid`;
}

/** Adds families 1 to `count` by one statement: living ones that nobody holds a token of, unless told otherwise. */
export async function seedFamilies(database: TestDatabase, count: number, seed: Seed = {}): Promise<void> {
  const { issuedAt = 'now()', subject = `'seeded'`, clientId = `'default'`, revokedAt = 'null' } = seed;
  const { familyId = seededId(issuedAt), expiresAt = `${issuedAt} + interval '30 days'` } = seed;
  await database.query(`
    insert into refresh_token (family_id, subject, client_id, generation, root_hash, step_hash, key_id, issued_at,
                               rotated_at, idle_expires_at, expires_at, revoked_at, revocation_reason)
    select ${familyId}, ${subject}, ${clientId}, 0, '', '', 1, ${issuedAt}, ${issuedAt}, ${expiresAt}, ${expiresAt},
           (${revokedAt})::timestamptz, case when (${revokedAt})::timestamptz is not null then 'logout' end
    from generate_series(1, ${count}) as n`);
}

/** A transaction that holds the row of the family at `place`, counted from 0 in the order of ids, until it is let go. */
export async function lockFamily(source: DataSource, place: number): Promise<() => Promise<void>> {
  const holder = source.createQueryRunner();
  await holder.startTransaction();
  await holder.query(
    `select from refresh_token
     where family_id = (select family_id from refresh_token order by family_id offset $1 limit 1) for update`,
    [place],
  );
  return async () => {
    await holder.rollbackTransaction();
    await holder.release();
  };
}
