import { randomBytes } from 'node:crypto';
import { Pool } from 'pg';
import type { Contender } from './measure.js';
import { Queue } from './queue.js';
import { CHAINS, POOL_SIZE } from './rotation-scale.js';

interface Row {
  readonly familyId: string;
  generation: number;
  stepHash: Buffer;
}

const INSERT = `
  insert into refresh_token (family_id, subject, client_id, generation, root_hash, step_hash, key_id,
                             issued_at, rotated_at, idle_expires_at, expires_at)
  select gen_random_uuid(), 'bare-' || n, 'default', 0, sha256(random()::text::bytea), sha256(random()::text::bytea), 1,
         now(), now(), now() + interval '7 days', now() + interval '30 days'
  from generate_series(1, $1::integer) as n
  returning family_id as "familyId", generation, step_hash as "stepHash"`;

const ROTATE = `
  update refresh_token
  set generation = generation + 1, step_hash = $4, parent_hash = step_hash, rotated_at = clock_timestamp(),
      idle_expires_at = least(clock_timestamp() + interval '7 days', expires_at)
  where family_id = $1 and generation = $2 and step_hash = $3
    and revoked_at is null and expires_at > clock_timestamp() and idle_expires_at > clock_timestamp()
  returning subject, client_id, scope, claims::text, extract(epoch from expires_at)::float8,
            extract(epoch from rotated_at)::float8`;

/**
 * What a rotation cannot do without: one conditional UPDATE of one row, prepared, on a `pg` pool. It reads no
 * token, derives and hashes nothing, and signs nothing.
 *
 * In the library's own table, which must exist, on rows of its own.
 */
export async function openBareStatement(url: string): Promise<Contender> {
  const pool = new Pool({ connectionString: url, max: POOL_SIZE });
  // The database is dropped while the last of its connections are still closing.
  pool.on('error', () => {});
  const { rows } = await pool.query<Row>(INSERT, [CHAINS]);
  const families = new Queue(rows);
  async function rotate(row: Row): Promise<void> {
    const stepHash = randomBytes(32);
    const values = [row.familyId, row.generation, row.stepHash, stepHash];
    const { rowCount } = await pool.query({ name: 'rotate', text: ROTATE, values, rowMode: 'array' });
    if (rowCount !== 1) throw new Error('The statement met a row that was not as expected');
    row.generation++;
    row.stepHash = stepHash;
  }
  return {
    name: 'bare statement',
    once: () => families.lend(rotate),
    close: () => pool.end(),
  };
}
