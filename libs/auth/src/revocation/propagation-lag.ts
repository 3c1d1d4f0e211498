import type { KnownRevocation } from '../core/revocation-ports.js';

/** How long revocations took to reach this node; seconds. Its own, and those of before its first load, do not count. */
export interface RevocationLag {
  readonly count: number;
  readonly sum: number;
  /** of the one learned last; null before the first */
  readonly last: number | null;
}

/** Adds up how long after it was made each revocation was learned. */
export class PropagationLag {
  #count = 0;
  #sum = 0;
  #last: number | null = null;

  /** @param longest milliseconds after which a session is forgotten, and may be read again: that is no news of its way here */
  constructor(private readonly longest: number) {}

  /** @param now milliseconds on the database's clock, when `news` were learned */
  add(news: readonly KnownRevocation[], now: number): void {
    for (const { revokedAt } of news) {
      if (revokedAt === null || now - revokedAt >= this.longest) continue;
      // Pages that follow the first one may tell of later revocations than its time.
      this.#last = Math.max(0, now - revokedAt) / 1000;
      this.#sum += this.#last;
      this.#count++;
    }
  }

  read(): RevocationLag {
    return { count: this.#count, sum: this.#sum, last: this.#last };
  }
}
