import type { Instant } from '../core/instant.js';

/**
 * Up to which moment what this node knows is confirmed, of sessions and of keys. What has been confirmed once stays so: an
 * older answer takes nothing away.
 */
export class Confirmation {
  /** of both, so that of the older one; null until there is one of each */
  whole: Instant | null = null;
  #sessions: Instant | null = null;
  #keys: Instant | null = null;
  #asOf = 0;

  get sessions(): Instant | null {
    return this.#sessions;
  }

  /** when `sessions` was, in milliseconds on the database's clock */
  get asOf(): number {
    return this.#asOf;
  }

  confirmSessions(at: Instant, asOf: number): void {
    if (isOlder(at, this.#sessions)) return;
    this.#sessions = at;
    this.#asOf = asOf;
    this.#settle();
  }

  confirmKeys(at: Instant): void {
    if (isOlder(at, this.#keys)) return;
    this.#keys = at;
    this.#settle();
  }

  #settle(): void {
    const [sessions, keys] = [this.#sessions, this.#keys];
    this.whole = sessions && keys && (isOlder(sessions, keys) ? sessions : keys);
  }
}

function isOlder(one: Instant, other: Instant | null): boolean {
  return other !== null && one.monotonic < other.monotonic;
}
