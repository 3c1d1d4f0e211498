import type { Pool } from 'pg';

/** How often statements of ours had to wait because every connection of a pool was lent out, and how long. */
export class PoolWaits {
  count = 0;
  seconds = 0;

  /** Opening a connection the pool has room for is no waiting. */
  async measure<T>(pool: Pool, connect: () => Promise<T>): Promise<T> {
    if (hasRoom(pool)) return connect();
    this.count++;
    const begin = performance.now();
    try {
      return await connect();
    } finally {
      this.seconds += (performance.now() - begin) / 1000;
    }
  }
}

const waits = new WeakMap<Pool, PoolWaits>();

/** One for each pool, however many stores share it. */
export function waitsFor(pool: Pool): PoolWaits {
  let known = waits.get(pool);
  if (!known) waits.set(pool, (known = new PoolWaits()));
  return known;
}

function hasRoom({ waitingCount, idleCount, totalCount, options }: Pool): boolean {
  return waitingCount === 0 && (idleCount > 0 || totalCount < options.max);
}
