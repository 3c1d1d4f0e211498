import type { Pool } from 'pg';

/** How often statements of ours had to wait because every connection of a pool was lent out, and how long. */
export class PoolWaits {
  count = 0;
  /** of those that wait now, since when, in milliseconds */
  readonly #waiting = new Set<{ readonly since: number }>();
  /** of those that wait no more; an integer, so that the sum never goes back by a rounding */
  #microseconds = 0;

  /** How many wait now. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** In sum, that of those that wait now included: a pool that gives nothing shows while it lasts. */
  get seconds(): number {
    let sum = this.#microseconds;
    for (const wait of this.#waiting) sum += microsecondsSince(wait.since);
    return sum / 1e6;
  }

  /**
   * Call it right before a connection is asked for. Opening a connection the pool has room for is no waiting.
   *
   * @returns what ends the wait, be it with a connection or because nobody wants it any more
   */
  begin(pool: Pool): () => void {
    if (hasRoom(pool)) return () => {};
    this.count++;
    const wait = { since: performance.now() };
    this.#waiting.add(wait);
    return () => {
      if (this.#waiting.delete(wait)) this.#microseconds += microsecondsSince(wait.since);
    };
  }
}

const waits = new WeakMap<Pool, PoolWaits>();

/** One for each pool, however many stores share it. */
export function waitsFor(pool: Pool): PoolWaits {
  let known = waits.get(pool);
  if (!known) waits.set(pool, (known = new PoolWaits()));
  return known;
}

/** Connections that are idle may be promised already: the pool hands them out a tick later. */
function hasRoom({ waitingCount, idleCount, totalCount, options }: Pool): boolean {
  return idleCount + options.max - totalCount > waitingCount;
}

function microsecondsSince(milliseconds: number): number {
  return Math.round((performance.now() - milliseconds) * 1000);
}
