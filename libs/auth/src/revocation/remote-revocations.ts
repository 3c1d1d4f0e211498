import type { LoggerService } from '@nestjs/common';
import { UnavailableError } from '../core/errors.js';
import { instantOf } from '../core/instant.js';
import type { Clock } from '../core/ports.js';
import { reasonOfFetch } from '../core/reason.js';
import type { KnownRevocation, RevocationSource } from '../core/revocation-ports.js';
import { FeedClient, type RemoteFeed } from './feed-client.js';
import type { FeedPage } from './feed-page.js';
import { Freshness, type Stamp } from './freshness.js';

/** Durations in seconds. */
export interface RemotePolicy {
  readonly timeout: number;
  readonly maxStaleness: number;
  readonly clockTolerance: number;
}

/** An answer that was all there was to tell, and can be told again by its entity tag alone. */
interface Remembered {
  readonly etag: string;
  readonly page: FeedPage;
}

type Take = (sessions: readonly KnownRevocation[], now: number) => void;

/** The window moves in steps, so that for some time the question and its entity tag stay the same: milliseconds. */
const STEP = 10_000;
const LONG_STEP = 600_000;
/** One for the short window, one for the whole one, and those before a step. */
const MAX_REMEMBERED = 4;
const MAX_PAGES = 100;
const MAX_SIDS = 1_000_000;
const TOO_MANY = `More is told than ${MAX_PAGES} pages, or ${MAX_SIDS} sessions: no reading takes more`;

/**
 * Reads what an issuer tells of revoked sessions at `GET {prefix}/revocations`, for a node without the database.
 *
 * A reading is of all pages, or has failed; of each page all is learned, or nothing. What a good page names is learned
 * however old it is, and whatever becomes of those that follow; how old a reading is, `Freshness` tells.
 */
export class RemoteRevocations implements RevocationSource {
  readonly #client: FeedClient;
  readonly #freshness: Freshness;
  /** by `since`; the oldest first */
  readonly #remembered = new Map<number, Remembered>();
  /** of the last reading, on the database's clock, which may have gone back since the newest one */
  #lastAsOf = Infinity;
  #isStale = false;

  constructor(
    private readonly feed: RemoteFeed,
    private readonly policy: RemotePolicy,
    private readonly clock: Clock,
    private readonly logger: Pick<LoggerService, 'log' | 'error'>,
  ) {
    this.#client = new FeedClient(feed, policy.timeout, logger);
    this.#freshness = new Freshness(policy.clockTolerance * 1000);
  }

  /** @throws {UnavailableError} a page did not come, or was none: of that one, and of those after it, nothing was taken */
  async read(window: number, take: Take): Promise<{ now: number; age: number }> {
    const asked = instantOf(this.clock);
    const { stamp, wall } = await this.#readPages(this.#sinceOf(window), take).catch((cause: unknown) => {
      throw new UnavailableError('ERR_REVOCATIONS_STALE', {
        cause: new Error(`${this.feed.uri}: ${reasonOfFetch(cause)}`),
      });
    });
    this.#lastAsOf = stamp.asOf;
    const age = this.#freshness.take(stamp, asked, wall);
    this.#reportAge(stamp, age);
    return { now: stamp.asOf, age };
  }

  /** Asks no more; what is under way fails at once. */
  close(): void {
    this.#client.close();
  }

  /**
   * Counted from the last answer: when the database's clock has gone back, from where it is now. Not from one that is in
   * the future, which would leave a gap.
   */
  #sinceOf(window: number): number {
    const known = this.#freshness.asOf;
    const step = window > LONG_STEP ? LONG_STEP : STEP;
    return Math.max(0, Math.floor((Math.min(known ?? 0, this.#lastAsOf) - window) / step) * step);
  }

  /** @returns what all pages together are as of, and this node's clock when the first one was there */
  async #readPages(from: number, take: Take): Promise<{ stamp: Stamp; wall: number }> {
    let { stamp, page } = await this.#askFirst(from);
    const wall = this.clock.now();
    let worst = stamp;
    let told = 0;
    for (let pages = 1; ; pages++) {
      told += page.sids.length;
      if (told > MAX_SIDS) throw new Error(TOO_MANY);
      take(
        page.sids.map((sid) => ({ sid, revokedAt: null })),
        stamp.asOf,
      );
      if (page.next === null) return { stamp: worst, wall };
      if (pages === MAX_PAGES) throw new Error(TOO_MANY);
      ({ stamp, page } = await this.#askNext(page.next));
      worst = worseOf(worst, stamp);
    }
  }

  /** What has not changed is told once more to who forgets what is not told. */
  async #askFirst(since: number): Promise<{ stamp: Stamp; page: FeedPage }> {
    const known = this.#remembered.get(since);
    const { stamp, page: news, etag } = await this.#client.ask(since, known?.etag);
    const page = news ?? known!.page;
    this.#remembered.delete(since);
    if (etag !== null && page.next === null) this.#remembered.set(since, { etag, page });
    if (this.#remembered.size > MAX_REMEMBERED)
      this.#remembered.delete(this.#remembered.keys().next().value!);
    return { stamp, page };
  }

  /** Without a tag: of a page among others nothing is remembered. */
  async #askNext(since: number): Promise<{ stamp: Stamp; page: FeedPage }> {
    const { stamp, page } = await this.#client.ask(since);
    return { stamp, page: page! };
  }

  /** Of answers that come, and tell nothing new. */
  #reportAge({ asOf }: Stamp, age: number): void {
    const isStale = age > this.policy.maxStaleness * 1000;
    if (isStale && !this.#isStale) {
      const apart = Math.round((this.clock.now() - asOf) / 1000);
      this.logger.error(
        `What ${this.feed.uri} tells of revocations is no news: its Revocations-As-Of is ${Math.abs(apart)} s ` +
          `${apart < 0 ? 'ahead of' : 'behind'} this node's clock. Either something on the way keeps answers, which it ` +
          'must not, or the clocks of this node and of the issuer’s database differ by more than clockTolerance: set them',
      );
    }
    if (!isStale && this.#isStale)
      this.logger.log(`What ${this.feed.uri} tells of revocations is fresh again`);
    this.#isStale = isStale;
  }
}

/** A page told again by a cache, or by a node that lags behind, makes the whole as old as itself. */
function worseOf(one: Stamp, other: Stamp): Stamp {
  return { asOf: Math.min(one.asOf, other.asOf), age: Math.max(one.age, other.age) };
}
