import type { KnownRevocation, RevocationListener } from '../../libs/auth/src/core/revocation-ports.js';
import { RevocationFeed, type RevocationPolicy } from '../../libs/auth/src/revocation/revocation.feed.js';

/** The feed of revocations alone: its clock, what it reads and what it hears are in a test's hands. */
export class FeedWorld {
  readonly clock = {
    wall: 1_000_000,
    mono: 5_000,
    now: () => this.clock.wall,
    monotonic: () => this.clock.mono,
  };
  /** on the database's clock, which is another one */
  now = 50_000_000;
  /** milliseconds the source's answers are old when asked for */
  age = 0;
  /** what the next readings give, page by page */
  pages: KnownRevocation[][] = [];
  /** before an answer comes; may fail */
  reading: () => Promise<void> = async () => {};
  keys: () => Promise<void> = async () => {};
  /** milliseconds, of each reading */
  readonly windows: number[] = [];
  readonly announced: string[] = [];
  readonly restored: string[] = [];
  /** whether the source can make again what it has lost */
  restores = true;
  listener: RevocationListener | undefined;
  isClosed = false;

  feed(policy: Partial<RevocationPolicy> = {}): RevocationFeed {
    return new RevocationFeed(
      {
        read: async (window, take) => {
          this.windows.push(window);
          const { now, age } = this;
          await this.reading();
          for (const page of this.pages) take(page);
          return { now, age };
        },
        ...(this.restores && {
          restore: async (sids: readonly string[]) => void this.restored.push(...sids),
        }),
      },
      { refresh: () => this.keys() },
      {
        announce: (sids) => void this.announced.push(...sids),
        open: (listener) => void (this.listener = listener),
        close: async () => void (this.isClosed = true),
      },
      { pollInterval: 2, maxStaleness: 30, onStale: 'refuse', longestLife: 305, ...policy },
      this.clock,
    );
  }

  /** What the next readings give: revoked just now. */
  gives(...sids: string[]): void {
    this.pages = [sids.map((sid) => ({ sid, revokedAt: this.now }))];
  }

  pass(seconds: number): void {
    this.clock.wall += seconds * 1000;
    this.clock.mono += seconds * 1000;
    this.now += seconds * 1000;
  }
}
