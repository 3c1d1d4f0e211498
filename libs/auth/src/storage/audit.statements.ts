import { namesFor, uuidOf } from './sql.js';
import { DELETION_PAGE } from './walk.statements.js';

/** Every statement on the table of the audit trail, for one table name. */
export function auditStatements(table: string) {
  const named = namesFor('token_family_audit', table);

  return {
    /** Adds entries, those there already apart. $2 is the age of each, in milliseconds: the time is the database's. */
    append: named(
      'append',
      `insert into ${table} (id, at, type, sid, subject, client_id, generation, detail)
       select id, clock_timestamp() - age * interval '1 millisecond', type, sid, subject, client, generation, detail::jsonb
       from unnest($1::uuid[], $2::float8[], $3::text[], $4::uuid[], $5::text[], $6::text[], $7::integer[], $8::text[])
         as entry (id, age, type, sid, subject, client, generation, detail)
       on conflict (id) do nothing`,
    ),

    /**
     * Deletes, of one page, the entries older than $2 milliseconds. Passes over what is locked. Index: primary key, from
     * its old end; an id has the node's time, the entry says the database's.
     */
    deletePage: named(
      'delete_page',
      `with page as materialized (
         select array_agg(id order by id) as ids from (
           select id from ${table}
           where id > $1::uuid and id < ${uuidOf(`(extract(epoch from statement_timestamp()) * 1000)::bigint - $2::bigint`)}
           order by id limit ${DELETION_PAGE}
         ) as next
       ), over as materialized (
         select id from ${table} where id = any((select ids from page)::uuid[])
           and at < statement_timestamp() - $2::bigint * interval '1 millisecond'
         for update skip locked
       ), deleted as (
         delete from ${table}
         where id = any(array(select id from over))
         returning id
       )
       select ids[cardinality(ids)], cardinality(ids), (select count(*) from deleted) from page`,
    ),
  };
}
