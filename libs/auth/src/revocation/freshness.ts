import type { Instant } from '../core/instant.js';

/** What an answer says of itself; milliseconds. */
export interface Stamp {
  /** since the epoch, on the clock of the issuer's database */
  readonly asOf: number;
  /** how long ago that was when it was answered, by the node that did */
  readonly age: number;
}

interface Position {
  readonly asOf: number;
  /** when that was, on this node's clocks */
  readonly at: Instant;
}

/**
 * Knows how old the answers of a feed are, whatever stands between it and this node.
 *
 * What was once true can be told again: by a cache, or by somebody who holds answers back or replays them. So an answer
 * is as old as the worst of three says: what the answering node says; this node's clock, less what the two clocks may be
 * apart; and, unless it is newer than every one before, the newest of those. Everything counts from the moment of asking.
 *
 * The last of these could lock up when the database's clock goes back, as in a failover: nothing would be new until that
 * clock has caught up. It cannot, as nothing is believed that lies in the future of this node's clock by more than the
 * tolerance: an answer from there counts for nothing, and a position that lies there since this node's clock was set back
 * is given up. So a database whose clock is right passes any position within twice the tolerance. While its clock is
 * wrong by more, nothing here is fresh: an old answer looks just like that, and by its clock its access tokens have
 * expired or not yet begun, too. What such answers name is learned all the same: to know more of the dead is always safe.
 */
export class Freshness {
  #newest: Position | null = null;

  /** @param tolerance milliseconds by which the database's clock and this node's may differ */
  constructor(private readonly tolerance: number) {}

  /** Up to when on the database's clock something is known; null before the first answer that can be believed. */
  get asOf(): number | null {
    return this.#newest?.asOf ?? null;
  }

  /**
   * Takes note of an answer.
   *
   * @param asked when this node asked for it
   * @param wall this node's clock now that the answer is here
   * @returns how old what is known then was when this node asked, in milliseconds; Infinity when that cannot be told
   */
  take({ asOf, age }: Stamp, asked: Instant, wall: number): number {
    const future = wall + this.tolerance;
    if (this.#newest && this.#newest.asOf > future) this.#newest = null;
    if (asOf <= future && asOf > (this.#newest?.asOf ?? -Infinity)) {
      const oldest = Math.max(0, age, asked.wall - asOf - this.tolerance);
      this.#newest = { asOf, at: { monotonic: asked.monotonic - oldest, wall: asked.wall - oldest } };
    }
    if (!this.#newest) return Infinity;
    const { at } = this.#newest;
    return Math.max(0, asked.monotonic - at.monotonic, asked.wall - at.wall);
  }
}
