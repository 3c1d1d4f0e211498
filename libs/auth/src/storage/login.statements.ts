import { ALIVE, GRANT, ms, type Naming } from './sql.js';

/** Any constants: keep our advisory locks apart from the application's own, and from each other. */
export const SUBJECTS = 0x7466;
const EVERYONE = 0x7468;

/**
 * The statements of a login, and the lock that tells logins apart from the end of everyone.
 *
 * A login holds two advisory locks until its transaction ends: one on all logins of this table, always shared, which
 * `lockEveryone` waits for, and one on its subject, which `lockSubject` waits for. They are taken in this order, and
 * whoever takes one exclusively never waits for the other: so no circle can close.
 */
export function loginStatements(table: string, named: Naming) {
  // By the table itself, as nodes may spell its name with the schema and without.
  const everyone = `${EVERYONE}, '${table.replaceAll("'", "''")}'::regclass::oid::integer`;

  /**
   * Index: primary key. The transaction may be the caller's, which goes on: so it gets its own lock_timeout back, by
   * the last column of RETURNING, when all locks are taken.
   */
  const insert = (lockSubject: string) =>
    `with bound as materialized (select current_setting('lock_timeout') as before, set_config('lock_timeout', $1, true)),
          everyone_lock as materialized (select pg_advisory_xact_lock_shared(${everyone}) from bound),
          subject_lock as materialized (select ${lockSubject}(${SUBJECTS}, hashtext($3)) from everyone_lock),
          clock as materialized (select clock_timestamp() as at from subject_lock)
     insert into ${table} (family_id, subject, client_id, generation, root_hash, step_hash, key_id, issued_at,
                           rotated_at, idle_expires_at, expires_at, scope, claims, device)
     select $2::uuid, $3, $4, 0, $5::bytea, $6::bytea, $7::smallint, at, at,
            at + least($8::float8, $9::float8) * interval '1 second', at + $9::float8 * interval '1 second',
            $10, $11::jsonb, $12::jsonb
     from clock
     returning ${GRANT}, ${ms('issued_at')} as now, (select set_config('lock_timeout', before, true) from bound)`;

  return {
    /** Login. Shares its locks with every other one. */
    insert: named('insert', insert('pg_advisory_xact_lock_shared')),

    /** Login, one of a subject at a time: `evict` then sees all those before it. */
    insertAlone: named('insert_alone', insert('pg_advisory_xact_lock')),

    /**
     * Ends the families of a subject used least recently, so that at most $4 live beside the one just begun. Of one that
     * is refreshed meanwhile, the end wins. Index: (subject, family_id) of those not revoked, then the primary key; locks in the order of ids.
     * Always one row: an aggregate, whose second column gives lock_timeout back when all locks are taken.
     */
    evict: named(
      'evict',
      `with bound as materialized (select current_setting('lock_timeout') as before, set_config('lock_timeout', $1, true)),
            beyond as materialized (
              select family_id from ${table} where subject = $2 and family_id <> $3::uuid and ${ALIVE}
              order by rotated_at desc, family_id desc offset $4::bigint
            ), chosen as materialized (
              select current.family_id from ${table} as current, bound
              where family_id = any(array(select family_id from beyond)) and revoked_at is null
              order by current.family_id for no key update of current
            ), ended as (
              update ${table} set revoked_at = clock_timestamp(), revocation_reason = 'session_limit'
              where family_id = any(array(select family_id from chosen))
              returning family_id
            )
       select string_agg(family_id::text, ' ') as ended, (select set_config('lock_timeout', before, true) from bound)
       from ended`,
    ),

    /**
     * Waits for every login in flight, and holds up those that come meanwhile: so it waits for a short time only, and
     * its transaction ends with the next statement.
     */
    lockEveryone: named(
      'lock_everyone',
      `with bound as materialized (select set_config('lock_timeout', $1, true))
       select pg_advisory_xact_lock(${everyone}) from bound`,
    ),
  };
}
