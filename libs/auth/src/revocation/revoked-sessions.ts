import type { KnownRevocation } from '../core/revocation-ports.js';
import { Timeline } from './timeline.js';

interface Entry {
  /** milliseconds on this node's monotonic clock */
  readonly forgetAt: number;
  readonly revokedAt: number | null;
}

/**
 * The sessions revoked recently, in memory, bounded by forgetting: an entry stays for at least as long as an access
 * token of its session could still be believed, counted from when this node last heard of it.
 */
export class RevokedSessions {
  /** in the order of hearing, so in the order of forgetting */
  readonly #entries = new Map<string, Entry>();
  readonly #timeline = new Timeline((sid, revokedAt) => this.#entries.get(sid)?.revokedAt === revokedAt);
  /** made by this node, and not yet read back */
  readonly #undated = new Set<string>();
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
    for (const { sid, revokedAt } of revocations) {
      const known = this.#entries.get(sid);
      if (!known) news.push({ sid, revokedAt });
      // A failover may lose a revocation, and the session be revoked once more: the later time is the true one.
      const at = known?.revokedAt == null ? revokedAt : Math.max(known.revokedAt, revokedAt ?? -Infinity);
      this.#remember(sid, { revokedAt: at, forgetAt: now + this.keep }, known);
    }
    return news;
  }

  /**
   * The ids of those revoked at `since` or later, on the database's clock, in that order; last, those of which the time is not
   * known yet.
   *
   * @param limit for how many at most, and a few more where times are equal; the same again for those without a time, which
   * will have one soon
   * @returns `next`: from when on there are more
   */
  page(since: number, limit: number): { sids: readonly string[]; next: number | null } {
    const { sids, next } = this.#timeline.page(since, limit);
    if (next === null) for (const sid of firstOf(this.#undated, limit)) sids.push(sid);
    return { sids, next };
  }

  /**
   * Those that a reading should have brought and did not.
   *
   * @param read what it brought
   * @param heardBefore milliseconds on a monotonic clock: when it began
   * @param since milliseconds on the database's clock: from when on it brings all
   */
  absentFrom(read: ReadonlySet<string>, heardBefore: number, since: number): string[] {
    const absent: string[] = [];
    for (const [sid, { forgetAt, revokedAt }] of this.#entries) {
      if (forgetAt - this.keep >= heardBefore) break;
      if ((revokedAt === null || revokedAt > since) && !read.has(sid)) absent.push(sid);
    }
    return absent;
  }

  forgetUntil(now: number): void {
    let forgotten = 0;
    for (const [sid, { forgetAt }] of this.#entries) {
      if (forgetAt > now) break;
      this.#entries.delete(sid);
      this.#undated.delete(sid);
      forgotten++;
    }
    if (forgotten === 0) return;
    this.#version++;
    this.#timeline.sweep(this.#entries.size);
  }

  #remember(sid: string, entry: Entry, known: Entry | undefined): void {
    // A Map keeps the place of a key that is set again.
    if (known) this.#entries.delete(sid);
    this.#entries.set(sid, entry);
    if (known?.revokedAt === entry.revokedAt) return;
    this.#version++;
    if (entry.revokedAt === null) this.#undated.add(sid);
    else {
      this.#undated.delete(sid);
      this.#timeline.add(sid, entry.revokedAt);
    }
  }
}

function* firstOf<T>(all: Iterable<T>, count: number): Generator<T> {
  let left = count;
  for (const each of all) {
    if (left-- <= 0) return;
    yield each;
  }
}
