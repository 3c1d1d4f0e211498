import type { KnownRevocation } from '../core/ports.js';

interface Entry {
  /** milliseconds on this node's monotonic clock */
  readonly forgetAt: number;
  readonly revokedAt: number | null;
}

/**
 * The sessions revoked recently, in memory, bounded by forgetting: an entry stays for at least as long as an access
 * token of its session could still be believed, counted from when this node learned of it.
 */
export class RevokedSessions {
  /** in the order of learning, so in the order of forgetting */
  readonly #entries = new Map<string, Entry>();
  #version = 0;

  /** @param keep milliseconds */
  constructor(private readonly keep: number) {}

  get size(): number {
    return this.#entries.size;
  }

  /** Another one whenever what is known has changed. */
  get version(): number {
    return this.#version;
  }

  has(sid: string): boolean {
    return this.#entries.has(sid);
  }

  /**
   * Whatever is learned twice, late or out of order leaves the same knowledge.
   *
   * @param now milliseconds on a monotonic clock
   * @returns those that were not known yet
   */
  learn(revocations: readonly KnownRevocation[], now: number): readonly KnownRevocation[] {
    const news: KnownRevocation[] = [];
    for (const revocation of revocations) {
      const known = this.#entries.get(revocation.sid);
      if (!known) news.push(revocation);
      if (!known || isLater(revocation, known)) this.#remember(revocation, now + this.keep);
      else if (known.revokedAt === null && revocation.revokedAt !== null) this.#date(revocation, known);
    }
    return news;
  }

  /** The ids of those revoked at `since` or later, on the database's clock; when is not known, counts as just now. */
  since(since: number): string[] {
    const sids: string[] = [];
    for (const [sid, { revokedAt }] of this.#entries) {
      if (revokedAt === null || revokedAt >= since) sids.push(sid);
    }
    return sids;
  }

  /**
   * Those that a reading should have brought and did not.
   *
   * @param read what it brought
   * @param learnedBefore milliseconds on a monotonic clock: when it began
   * @param since milliseconds on the database's clock: from when on it brings all
   */
  absentFrom(read: ReadonlySet<string>, learnedBefore: number, since: number): string[] {
    const absent: string[] = [];
    for (const [sid, { forgetAt, revokedAt }] of this.#entries) {
      const wasKnown = forgetAt - this.keep < learnedBefore;
      const isExpected = revokedAt === null || revokedAt > since;
      if (wasKnown && isExpected && !read.has(sid)) absent.push(sid);
    }
    return absent;
  }

  forgetUntil(now: number): void {
    for (const [sid, { forgetAt }] of this.#entries) {
      if (forgetAt > now) return;
      this.#entries.delete(sid);
      this.#version++;
    }
  }

  #remember({ sid, revokedAt }: KnownRevocation, forgetAt: number): void {
    // A Map keeps the place of a key that is set again.
    this.#entries.delete(sid);
    this.#entries.set(sid, { forgetAt, revokedAt });
    this.#version++;
  }

  #date({ sid, revokedAt }: KnownRevocation, { forgetAt }: Entry): void {
    this.#entries.set(sid, { forgetAt, revokedAt });
    this.#version++;
  }
}

/**
 * A failover may lose a revocation, and the session, alive again, be refreshed before it is revoked once more: then
 * the later one decides how long it is remembered.
 */
function isLater({ revokedAt }: KnownRevocation, known: Entry): boolean {
  return known.revokedAt !== null && (revokedAt === null || revokedAt > known.revokedAt);
}
