import { microseconds, ms, timeOf, uuidOf, type Naming } from './sql.js';

/** Rows in a page of the walks below: each is one short statement, whatever the size of the table. */
export const REVOKED_PAGE = 10_000;
export const REVOCATION_PAGE = 5_000;
export const DELETION_PAGE = 1_000;

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
     * Ends the living families of one page, of a client if $4 is given, whose login $3, in microseconds, is not before.
     * One from the future was made before the database's clock was set back. Index: primary key; locks in its order.
     */
    revokePage: named(
      'revoke_page',
      `with bound as materialized (select set_config('lock_timeout', $1, true)),
            ${page('family_id > $2::uuid', REVOCATION_PAGE)},
            chosen as materialized (
              select current.family_id from ${table} as current, bound
              where ${ON_PAGE} and revoked_at is null and ($4::text is null or client_id = $4)
                and (issued_at <= ${timeOf('$3')} or issued_at > clock_timestamp())
              order by current.family_id for no key update of current
            ), ended as (
              update ${table} set revoked_at = clock_timestamp(), revocation_reason = $5
              where family_id = any(array(select family_id from chosen))
              returning family_id, subject
            )
       select ${END_OF_PAGE}, ended.* from page left join ended on true`,
    ),

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
