import { ms, namesFor } from './sql.js';

const KEY = [
  'kid',
  'algorithm',
  'state',
  'public_key::text',
  `encode(private_key, 'hex')`,
  `encode(authenticator, 'hex')`,
  `${ms('published_at')} as published_at`,
  ms('activated_at'),
  ms('retired_at'),
  ms('verify_until'),
  ms('revoked_at'),
].join(', ');

/** Any constant, another than that of the families: keeps the locks of the two apart. */
const ADVISORY_SPACE = 0x7467;

/** What cannot sign any more is destroyed; the verify_until of a key that has one already stays. */
const OVER = `private_key = null,
       verify_until = coalesce(verify_until, clock_timestamp() + $2::float8 * interval '1 millisecond')`;

/**
 * Every statement on the table of signing keys, for one table name. It holds a handful of rows, which are read
 * whole; all writers hold the advisory lock of `lock`, so no row is ever waited for.
 */
export function signingKeyStatements(table: string) {
  const named = namesFor('token_family_key', table);

  return {
    /** Serialises whoever changes keys, until the end of the transaction; waits no longer than $1. */
    lock: named(
      'lock',
      `with bound as materialized (select set_config('lock_timeout', $1, true))
       select pg_advisory_xact_lock(${ADVISORY_SPACE}, hashtext($2)) from bound`,
    ),

    /** Takes no lock. Index: none; the whole table. */
    load: named(
      'load',
      `select ${ms('clock_timestamp()')}, pg_is_in_recovery(), key.*
       from (select) as nothing left join (select ${KEY} from ${table}) as key on true
       order by key.published_at, key.kid`,
    ),

    /** Adds a key. One of its kid is an error (23505), as is a second one in its state: nothing of the change is made. */
    publish: named(
      'publish',
      `insert into ${table}
         (kid, algorithm, state, public_key, private_key, authenticator, published_at, activated_at)
       select $1, $2, $3, $4::jsonb, $5::bytea, $6::bytea, at, case when $3 = 'active' then at end
       from (select clock_timestamp() as at) as clock`,
    ),

    /** Lets a pending key sign. Index: primary key. */
    activate: named(
      'activate',
      `update ${table} set state = 'active', activated_at = clock_timestamp()
       where kid = $1 and state = 'pending'`,
    ),

    /** Ends the signing of a key, which still verifies. Index: primary key. */
    retire: named(
      'retire',
      `update ${table} set state = 'retired', retired_at = clock_timestamp(), ${OVER}
       where kid = $1 and state = 'active'`,
    ),

    /** Ends a key altogether: what showed that a node made it is gone, too. Index: primary key. */
    revoke: named(
      'revoke',
      `update ${table} set state = 'revoked', revoked_at = clock_timestamp(), authenticator = $3::bytea,
       ${OVER}
       where kid = $1 and state <> 'revoked'`,
    ),

    /** Index: primary key. */
    delete: named('delete', `delete from ${table} where kid = $1`),
  };
}
