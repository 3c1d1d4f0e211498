import { sha256 } from '../core/refresh-token.js';
import { ms, type Statement } from './sql.js';

/** Of the table only a hash, as in statements.ts: a channel's name is cut at 63 bytes, too. */
export function channelOf(table: string): string {
  return `token_family_${sha256(table).toString('hex', 0, 8)}`;
}

/** Several notifications as one transaction: delivered when it has committed, in this order. Takes no row. */
export const NOTIFY: Statement = {
  name: 'token_family_notify',
  text: `select pg_notify($1, payload) from unnest($2::text[]) as payload`,
};

/** What a connection that listens is asked; not prepared, as none of it is frequent. */
export function listeningFor(table: string) {
  const channel = channelOf(table);
  return {
    /** A standby answers with an error: 25006. */
    listen: `listen "${channel}"`,
    /** Says in pg_stat_activity whose connection it is. PostgreSQL cuts a name that is too long. */
    introduce: `select set_config('application_name', concat_ws(' ', nullif(current_setting('application_name'), ''), 'revocations'), false)`,
    /** No row when the session that listened has been exchanged for another one, as some poolers do. */
    isListening: `select 1 from pg_listening_channels() as channel where channel = '${channel}'`,
    unlisten: 'unlisten *',
    /** Which of the sessions named are revoked, as committed. Takes no lock. Index: primary key. */
    confirm: `select ${ms('clock_timestamp()')}, family_id, ${ms('revoked_at')} from ${table}
              where family_id = any($1::uuid[]) and revoked_at is not null`,
  };
}
