import type { Pool } from 'pg';
import { DataSource } from 'typeorm';
import type { TestNode } from './node.js';

/**
 * How many connections the node took from its pool while `work` ran: no statement goes without one.
 *
 * Of a node that polls none falls into it only where `revocation` says so.
 */
export async function connectionsTaken(node: TestNode, work: () => Promise<unknown>): Promise<number> {
  const { master } = node.get(DataSource).driver as unknown as { master: Pool };
  let taken = 0;
  const count = () => void taken++;
  master.on('acquire', count);
  await work();
  master.off('acquire', count);
  return taken;
}
