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

/** A time stamp as a whole number, for the way there and back: two rows may be a microsecond apart. */
export const microseconds = (time: string) => `(extract(epoch from ${time}) * 1000000)::bigint`;
export const timeOf = (count: string) =>
  `(timestamptz 'epoch' + ${count}::bigint * interval '1 microsecond')`;

/** Named, because a login inside the application's transaction gets its row as an object. */
export const GRANT = [
  'subject',
  'client_id',
  'scope',
  'claims::text as claims',
  `${ms('issued_at')} as issued_at`,
  `${ms('expires_at')} as expires_at`,
].join(', ');

export const FAMILY = [
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

export const ALIVE = `revoked_at is null and expires_at > clock_timestamp() and idle_expires_at > clock_timestamp()`;

/** Makes a statement of a name and a text. */
export type Naming = (name: string, text: string) => Statement;

/** Of the table only a hash: PostgreSQL tells names apart by 63 bytes, which two long names might begin with alike. */
export function namesFor(prefix: string, table: string): Naming {
  const place = sha256(table).toString('hex', 0, 8);
  return (name, text) => ({ name: `${prefix}_${name}_${place}`, text });
}

/** The smallest UUID that a moment can have in version 7: what is below it was made before. */
export const uuidOf = (milliseconds: string) =>
  `(lpad(to_hex(greatest(0, ${milliseconds})), 12, '0') || repeat('0', 20))::uuid`;
