/**
 * The sessions revoked recently, in memory, bounded by forgetting: an entry stays for at least as long as an access
 * token of its session could still be believed, counted from when this node learned of it.
 */
export class RevokedSessions {
  /** sid → when it may be forgotten; in the order of learning, so in the order of forgetting */
  readonly #forgetAt = new Map<string, number>();

  /** @param keep milliseconds */
  constructor(private readonly keep: number) {}

  has(sid: string): boolean {
    return this.#forgetAt.has(sid);
  }

  /**
   * @param now milliseconds on a monotonic clock
   * @returns those that were not known yet
   */
  learn(sids: readonly string[], now: number): readonly string[] {
    const news = sids.filter((sid) => !this.#forgetAt.has(sid));
    for (const sid of news) this.#forgetAt.set(sid, now + this.keep);
    return news;
  }

  forgetUntil(now: number): void {
    for (const [sid, forgetAt] of this.#forgetAt) {
      if (forgetAt > now) return;
      this.#forgetAt.delete(sid);
    }
  }
}
