import { microseconds, ms, timeOf, uuidOf, type Naming } from './sql.js';

/** Rows in a page of the walks below: each is one short statement, whatever the size of the table. */
export const REVOKED_PAGE = 10_000;
export const REVOCATION_PAGE = 5_000;
export const DELETION_PAGE = 1_000;

/** Milliseconds that a node's clock may be behind the database's for a login from the future to be found by its id. */
const NODE_CLOCK_BEHIND = 60_000;

/** Where a walk along the primary key begins: no UUIDv7 is smaller. */
export const BEFORE_ALL = '00000000-0000-0000-0000-000000000000';

const REVOKED = `${ms('clock_timestamp()')}, pg_is_in_recovery(), family_id, ${microseconds('revoked_at')}`;

/**
 * Statements that go through many families in pages, for one table name.
 *
 * A page of a walk along the primary key is so many rows examined, not so many found: a statement is short even where
 * almost nothing is to be done. Ids go from part to part as arrays, as the planner expects few of an unknown one and goes
 * by the index: while the table had no statistics, a join of the parts took 0.6 s a page in place of 0.09 s.
 */
export function walkStatements(table: string, named: Naming) {
  const page = (range: string, size: number) =>
    `page as materialized (
       select array_agg(family_id order by family_id) as ids
       from (select family_id from ${table} where ${range} order by family_id limit ${size}) as next
     )`;
  const ON_PAGE = 'family_id = any((select ids from page)::uuid[])';
  const END_OF_PAGE = 'ids[cardinality(ids)], cardinality(ids)';

  /**
   * Ends, of these families, the living ones that began up to $1, in microseconds: of a client, if $2 is given. Passes
   * over what is locked, and tells it without a subject: it waits for nobody, so no circle can close.
   */
  const ending = (ids: string) =>
    `due as materialized (
       select family_id from ${table}
       where family_id = any(${ids}) and revoked_at is null and issued_at <= ${timeOf('$1')}
         and ($2::text is null or client_id = $2)
     ), free as materialized (
       select family_id from ${table}
       where family_id = any(array(select family_id from due)) and revoked_at is null
       for no key update skip locked
     ), ended as (
       update ${table} set revoked_at = clock_timestamp(), revocation_reason = $3
       where family_id = any(array(select family_id from free))
       returning family_id, subject
     ), told as (
       select family_id, subject from ended
       union all
       select family_id, null from (select family_id from due except select family_id from free) as locked
     )`;

  return {
    /**
     * The first page. Takes no lock. Index: the partial one on revoked_at, which statement_timestamp() can use, being
     * STABLE, and clock_timestamp() cannot.
     */
    revokedWithin: named(
      'revoked_within',
      `select ${REVOKED}
       from (select) as nothing left join (
         select family_id, revoked_at from ${table}
         where revoked_at > statement_timestamp() - $1::float8 * interval '1 millisecond'
         order by revoked_at, family_id limit ${REVOKED_PAGE}
       ) as family on true
       order by revoked_at, family_id`,
    ),

    /** Every further page: what comes after $1, in microseconds, and $2. Index: the same. */
    revokedAfter: named(
      'revoked_after',
      `select ${REVOKED}
       from (select) as nothing left join (
         select family_id, revoked_at from ${table}
         where revoked_at >= ${timeOf('$1')} and (revoked_at, family_id) > (${timeOf('$1')}, $2::uuid)
         order by revoked_at, family_id limit ${REVOKED_PAGE}
       ) as family on true
       order by revoked_at, family_id`,
    ),

    /**
     * The time, and up to when logins began that there are, both on the database's clock: the time again, in microseconds,
     * or the beginning of a login from the future, made before the clock was set back. Such a login has one of the last
     * ids. Takes no lock. Index: primary key, at its young end.
     */
    moment: named(
      'moment',
      `with moment as materialized (select clock_timestamp() as at)
       select ${ms('at')}, pg_is_in_recovery(), ${microseconds(`greatest(at, (
         select max(issued_at) from ${table}
         where family_id >= ${uuidOf(`(extract(epoch from at) * 1000)::bigint - ${NODE_CLOCK_BEHIND}`)}
       ))`)}
       from moment`,
    ),

    /** Ends families of one page. Index: primary key. */
    revokePage: named(
      'revoke_page',
      `with ${page('family_id > $4::uuid', REVOCATION_PAGE)}, ${ending('(select ids from page)::uuid[]')}
       select ${END_OF_PAGE}, told.* from page left join told on true`,
    ),

    /** Ends families that a page has passed over. Index: primary key. */
    revokeLocked: named('revoke_locked', `with ${ending('$4::uuid[]')} select null, null, told.* from told`),

    /**
     * Deletes, of one page, the families that ended more than $2 milliseconds ago; what lives as long as is configured
     * now and has ended begins below $3 milliseconds ago, and how long a row lived it says itself. Passes over what is
     * locked: it waits for nobody, and several nodes may do it at once. Index: primary key, from its old end.
     */
    deletePage: named(
      'delete_page',
      `with ${page(`family_id > $1::uuid and family_id < ${uuidOf(`(extract(epoch from statement_timestamp()) * 1000)::bigint - $3::bigint`)}`, DELETION_PAGE)},
            over as materialized (
              select family_id from ${table}
              where ${ON_PAGE} and expires_at < statement_timestamp() - $2::float8 * interval '1 millisecond'
              for update skip locked
            ), deleted as (
              delete from ${table} where family_id = any(array(select family_id from over)) returning family_id
            )
       select ${END_OF_PAGE}, (select count(*) from deleted) from page`,
    ),
  };
}
