import { sha256 } from '../core/refresh-token.js';

/** One statement: `name` is its key in the server's prepared statements. */
export interface Statement {
  readonly name: string;
  readonly text: string;
}

/*
 * Times leave the database as milliseconds since the epoch in a float8, exact to the microsecond until the year
 * 2255, and jsonb as text: so no type parser and no DateStyle that an application has set can change them.
 * clock_timestamp(), never now(): a statement that waited for a lock must judge by the time it got it.
 */
export const ms = (time: string) => `(extract(epoch from ${time}) * 1000)::float8`;

/** Named, because a login inside the application's transaction gets its row as an object. */
const GRANT = [
  'subject',
  'client_id',
  'scope',
  'claims::text as claims',
  `${ms('issued_at')} as issued_at`,
  `${ms('expires_at')} as expires_at`,
].join(', ');

const FAMILY = [
  'family_id',
  'subject',
  'client_id',
  'generation',
  `encode(root_hash, 'hex')`,
  `encode(step_hash, 'hex')`,
  `encode(parent_hash, 'hex')`,
  `encode(attempt_hash, 'hex')`,
  'key_id',
  ms('issued_at'),
  ms('rotated_at'),
  ms('idle_expires_at'),
  ms('expires_at'),
  ms('revoked_at'),
  'revocation_reason',
  'scope',
  'claims::text',
  'device::text',
].join(', ');

const ALIVE = `revoked_at is null and expires_at > clock_timestamp() and idle_expires_at > clock_timestamp()`;

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

/** Any constant: keeps our advisory locks apart from the application's own. */
const ADVISORY_SPACE = 0x7466;

/**
 * Every statement on the table of families, for one table name.
 *
 * A lock is waited for no longer than the first parameter of the statements that take one: set_config(…, true)
 * lasts until this statement's own transaction ends, so it needs no session state and survives a pooler.
 */
export function statementsFor(table: string) {
  // Of the table only a hash: PostgreSQL tells names apart by 63 bytes, which two long names might begin with alike.
  const place = sha256(table).toString('hex', 0, 8);
  const named = (name: string, text: string): Statement => ({ name: `token_family_${name}_${place}`, text });
  const bounded = `bound as materialized (select set_config('lock_timeout', $1, true))`;

  return {
    /**
     * Login. Shares an advisory lock with `revokeSubject`; index: primary key. The transaction may be the caller's,
     * which goes on: so it gets its own lock_timeout back, by the last column of RETURNING, when all locks are taken.
     */
    insert: named(
      'insert',
      `with bound as materialized (select current_setting('lock_timeout') as before, set_config('lock_timeout', $1, true)),
            subject_lock as materialized (select pg_advisory_xact_lock_shared(${ADVISORY_SPACE}, hashtext($3)) from bound),
            clock as materialized (select clock_timestamp() as at from subject_lock)
       insert into ${table} (family_id, subject, client_id, generation, root_hash, step_hash, key_id, issued_at,
                             rotated_at, idle_expires_at, expires_at, scope, claims, device)
       select $2::uuid, $3, $4, 0, $5::bytea, $6::bytea, $7::smallint, at, at,
              at + least($8::float8, $9::float8) * interval '1 second', at + $9::float8 * interval '1 second',
              $10, $11::jsonb, $12::jsonb
       from clock
       returning ${GRANT}, ${ms('issued_at')} as now, (select set_config('lock_timeout', before, true) from bound)`,
    ),

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
       select pg_advisory_xact_lock(${ADVISORY_SPACE}, hashtext($2)) from bound`,
    ),

    /** Locks the living rows of one subject. Index: (subject, family_id). */
    revokeSubject: named(
      'revoke_subject',
      `update ${table} set revoked_at = clock_timestamp(), revocation_reason = $2
       where subject = $1 and revoked_at is null and ($3::uuid is null or family_id <> $3::uuid)
       returning family_id, subject`,
    ),

    /** Takes no lock. Index: (subject, family_id), read backwards: UUIDv7 order is login order. */
    sessions: named(
      'sessions',
      `select ${ms('clock_timestamp()')}, pg_is_in_recovery(), family.*
       from (select) as nothing left join (
         select ${FAMILY} from ${table} where subject = $1 and ${ALIVE} order by family_id desc limit $2::integer
       ) as family on true`,
    ),

    /**
     * Takes no lock. Index: the partial one on revoked_at, which statement_timestamp() can use, being STABLE, and
     * clock_timestamp() cannot.
     */
    revokedWithin: named(
      'revoked_within',
      `select ${ms('clock_timestamp()')}, pg_is_in_recovery(), family_id, ${ms('revoked_at')}
       from (select) as nothing left join (
         select family_id, revoked_at from ${table}
         where revoked_at > statement_timestamp() - $1::float8 * interval '1 millisecond'
       ) as family on true`,
    ),
  };
}

export type Statements = ReturnType<typeof statementsFor>;
