import { loginStatements, SUBJECTS } from './login.statements.js';
import { ALIVE, FAMILY, GRANT, ms, namesFor } from './sql.js';
import { walkStatements } from './walk.statements.js';

/** Where a statement finds what is presented and what follows it. */
interface Presented {
  readonly family: string;
  readonly spent: string;
  readonly root: string;
  readonly step: string;
  readonly attempt: string;
  readonly successor: string;
  readonly key: string;
  /** seconds */
  readonly idleLifetime: string;
}

const ONE: Presented = {
  family: '$2::uuid',
  spent: '$3::integer',
  root: '$4::bytea',
  step: '$5::bytea',
  attempt: '$6::bytea',
  successor: '$7::bytea',
  key: '$8::smallint',
  idleLifetime: '$9::float8',
};

const MANY: Presented = {
  family: 'family',
  spent: 'spent',
  root: 'root',
  step: 'step',
  attempt: 'attempt',
  successor: 'successor',
  key: 'key',
  idleLifetime: '$1::float8',
};

const spend = ({ spent, step, attempt, successor, key, idleLifetime }: Presented) =>
  `generation = ${spent} + 1, step_hash = ${successor}, parent_hash = ${step}, attempt_hash = ${attempt},
   key_id = ${key}, rotated_at = clock_timestamp(),
   idle_expires_at = least(clock_timestamp() + ${idleLifetime} * interval '1 second', expires_at)`;

const demands = ({ family, spent, root, step, attempt }: Presented) =>
  `family_id = ${family} and generation = ${spent} and root_hash = ${root} and step_hash = ${step} and ${ALIVE}
   and attempt_hash is distinct from coalesce(${attempt}, ''::bytea)`;

/** @param age milliseconds: the leeway, and how long the request has waited in the node */
const oldEnough = (age: string) =>
  `(generation = 0 or rotated_at <= clock_timestamp() - ${age} * interval '1 millisecond')`;

/**
 * Every statement on the table of families, for one table name.
 *
 * A lock is waited for no longer than the first parameter of the statements that take one: set_config(…, true)
 * lasts until this statement's own transaction ends, so it needs no session state and survives a pooler.
 */
export function statementsFor(table: string) {
  const named = namesFor('token_family', table);
  const bounded = `bound as materialized (select set_config('lock_timeout', $1, true))`;

  return {
    ...loginStatements(table, named),

    /**
     * The hot path: everything the verdict `rotate` demands, in one WHERE, on one row found by primary key, which
     * it locks for its own duration. Index: primary key; a HOT update. The sub-select comes first: it depends on no row.
     */
    rotate: named(
      'rotate',
      `update ${table} set ${spend(ONE)}
       where (select set_config('lock_timeout', $1, true)) is not null and ${demands(ONE)}
         and ${oldEnough('$10::float8')} and client_id = $11
       returning ${GRANT}, ${ms('rotated_at')} as now`,
    ),

    /**
     * The hot path for many at once. Rows that are locked are passed over, so that nobody waits for a neighbour, and
     * no deadlock can be. Answers by place: of several requests with one token, one place gets the row.
     * Index: primary key, by any(…): the joins alone were planned as a scan of the table for each place while it had
     * no statistics. HOT updates.
     */
    rotateMany: named(
      'rotate_many',
      `with presented as materialized (
         select * from unnest($2::uuid[], $3::integer[], $4::bytea[], $5::bytea[], $6::bytea[], $7::bytea[],
                              $8::smallint[], $9::float8[], $10::text[])
           with ordinality as presented (family, spent, root, step, attempt, successor, key, age, client, place)
       ), free as materialized (
         select place from ${table} as current join presented on family_id = family
         where family_id = any($2::uuid[])
         for no key update of current skip locked
       ), rotated as (
         update ${table} set ${spend(MANY)} from presented
         where family_id = any($2::uuid[]) and place in (select place from free) and ${demands(MANY)} and ${oldEnough('age')} and client_id = client
         returning place, ${GRANT}, ${ms('rotated_at')} as now
       )
       select free.place is null, rotated.*
       from presented left join free using (place) left join rotated using (place)
       order by presented.place`,
    ),

    /** Follows a token beyond lost commits, from the row as it was judged. Index: primary key; a HOT update. */
    advance: named(
      'advance',
      `with ${bounded}
       update ${table} set ${spend(ONE)} from bound
       where family_id = $2::uuid and root_hash = $4::bytea and step_hash = $10::bytea and ${ALIVE}
       returning ${GRANT}, ${ms('rotated_at')} as now`,
    ),

    /** Ends a family for reuse, if its current token is still the judged one. Index: primary key. */
    revokeReused: named(
      'revoke_reused',
      `with ${bounded}
       update ${table} set revoked_at = clock_timestamp(), revocation_reason = 'reuse'
       from bound
       where family_id = $2::uuid and step_hash = $3::bytea and revoked_at is null
       returning family_id`,
    ),

    /** Takes no lock. Index: primary key. */
    look: named(
      'look',
      `select ${ms('clock_timestamp()')}, pg_is_in_recovery(), family.*
       from (select) as nothing left join (select ${FAMILY} from ${table} where family_id = $1::uuid) as family on true`,
    ),

    /** Index: primary key. */
    revoke: named(
      'revoke',
      `with ${bounded}
       update ${table} set revoked_at = clock_timestamp(), revocation_reason = $3
       from bound
       where family_id = $2::uuid and revoked_at is null and ($4::text is null or subject = $4)
       returning family_id, subject`,
    ),

    /** Waits for logins in flight, so that none slips past the UPDATE that follows in the same transaction. */
    lockSubject: named(
      'lock_subject',
      `with ${bounded}
       select pg_advisory_xact_lock(${SUBJECTS}, hashtext($2)) from bound`,
    ),

    /**
     * Locks the living rows of one subject, in the order of their ids, as whoever locks several does: so no two of
     * them are in each other's way. Index: (subject, family_id) of those not revoked, then the primary key.
     */
    revokeSubject: named(
      'revoke_subject',
      `with chosen as materialized (
         select family_id from ${table}
         where subject = $1 and revoked_at is null and ($3::uuid is null or family_id <> $3::uuid)
         order by family_id for no key update
       )
       update ${table} set revoked_at = clock_timestamp(), revocation_reason = $2
       where family_id = any(array(select family_id from chosen))
       returning family_id, subject`,
    ),

    /** Takes no lock. Index: (subject, family_id) of those not revoked, read backwards: UUIDv7 order is login order. */
    sessions: named(
      'sessions',
      `select ${ms('clock_timestamp()')}, pg_is_in_recovery(), family.*
       from (select) as nothing left join (
         select ${FAMILY} from ${table} where subject = $1 and ${ALIVE} order by family_id desc limit $2::integer
       ) as family on true`,
    ),

    ...walkStatements(table, named),
  };
}

export type Statements = ReturnType<typeof statementsFor>;
