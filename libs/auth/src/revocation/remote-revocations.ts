import type { LoggerService } from '@nestjs/common';
import { UnavailableError } from '../core/errors.js';
import { instantOf } from '../core/instant.js';
import type { Clock, KnownRevocation, RevocationSource } from '../core/ports.js';
import { readFeedAnswer, type FeedAnswer } from './feed-answer.js';
import { Freshness, type Stamp } from './freshness.js';

/** Where an issuer's feed is, and who asks. */
export interface RemoteFeed {
  readonly uri: string;
  readonly id: string;
  readonly secret: string;
}

/** Durations in seconds. */
export interface RemotePolicy {
  readonly timeout: number;
  readonly maxStaleness: number;
  readonly clockTolerance: number;
}

interface Question {
  readonly url: string;
  /** milliseconds since the epoch on the database's clock; 0 for everything */
  readonly since: number;
}

/** The window moves in steps, so that for some time the address and its entity tag stay the same: milliseconds. */
const STEP = 10_000;
const LONG_STEP = 600_000;
/** One for the short window, one for the whole one, and those before a step. */
const MAX_TAGS = 4;

/**
 * Reads what an issuer tells of revoked sessions at `GET {prefix}/revocations`, for a node without the database.
 *
 * An answer counts as a whole or not at all, in bounded time and size, from the address itself: no redirect is followed.
 * What it names is learned, however old it is; how old it is, `Freshness` tells.
 *
 * @see RFC 7617, RFC 9110 section 13.1.2
 */
export class RemoteRevocations implements RevocationSource {
  readonly #freshness: Freshness;
  readonly #authorization: string;
  /** entity tags of what has been learned, by address; the oldest first */
  readonly #tags = new Map<string, string>();
  readonly #running = new Set<AbortController>();
  /** of the last answer, on the database's clock, which may have gone back since the newest one */
  #lastAsOf = Infinity;
  readonly #told = { refused: false, stale: false };

  constructor(
    private readonly feed: RemoteFeed,
    private readonly policy: RemotePolicy,
    private readonly clock: Clock,
    private readonly logger: Pick<LoggerService, 'log' | 'error'>,
  ) {
    this.#freshness = new Freshness(policy.clockTolerance * 1000);
    // As it is: ids need no escape, and a secret is taken as it was sent.
    this.#authorization = `Basic ${Buffer.from(`${feed.id}:${feed.secret}`).toString('base64')}`;
  }

  /** @throws {UnavailableError} there was no answer, or one that is none; nothing of it has been taken */
  async read(
    window: number,
    take: (sessions: readonly KnownRevocation[]) => void,
  ): Promise<{ now: number; age: number }> {
    const question = this.#questionFor(window);
    const asked = instantOf(this.clock);
    const { stamp, sids, etag } = await this.#ask(question).catch((cause: unknown) => {
      throw new UnavailableError('ERR_REVOCATIONS_STALE', { cause: new Error(this.#reasonOf(cause)) });
    });
    if (sids) take(sids.map((sid) => ({ sid, revokedAt: null })));
    if (etag !== null) this.#keepTag(question.url, etag);
    this.#lastAsOf = stamp.asOf;
    const age = this.#freshness.take(stamp, asked, this.clock.now());
    this.#reportAge(stamp, age);
    return { now: stamp.asOf, age };
  }

  /** Asks no more; what is under way fails at once. */
  close(): void {
    for (const each of this.#running) each.abort(new Error('This node shuts down'));
  }

  /**
   * Counted from the last answer: when the database's clock has gone back, from where it is now. Not from one that is in
   * the future, which would leave a gap.
   */
  #questionFor(window: number): Question {
    const known = this.#freshness.asOf;
    const step = window > LONG_STEP ? LONG_STEP : STEP;
    const from = Math.floor((Math.min(known ?? 0, this.#lastAsOf) - window) / step) * step;
    const since = Math.max(0, from);
    if (since === 0) return { url: this.feed.uri, since };
    const url = new URL(this.feed.uri);
    url.searchParams.set('since', String(since));
    return { url: url.href, since };
  }

  async #ask({ url, since }: Question): Promise<FeedAnswer> {
    const tag = this.#tags.get(url);
    const limit = new AbortController();
    const { timeout } = this.policy;
    const timer = setTimeout(() => limit.abort(new Error(`No answer within ${timeout} s`)), timeout * 1000);
    this.#running.add(limit);
    try {
      const response = await fetch(url, {
        headers: {
          authorization: this.#authorization,
          accept: 'application/json',
          'cache-control': 'no-store',
          ...(tag !== undefined && { 'if-none-match': tag }),
        },
        // Not followed: it is no 200.
        redirect: 'manual',
        signal: limit.signal,
      });
      this.#reportStatus(response.status);
      return await readFeedAnswer(response, since, tag);
    } finally {
      clearTimeout(timer);
      this.#running.delete(limit);
    }
  }

  #keepTag(url: string, etag: string): void {
    this.#tags.delete(url);
    this.#tags.set(url, etag);
    if (this.#tags.size > MAX_TAGS) this.#tags.delete(this.#tags.keys().next().value!);
  }

  /** What `fetch` found out stands in the cause of its error. */
  #reasonOf(error: unknown): string {
    const { message, cause } = error as Error;
    return `${this.feed.uri}: ${cause instanceof Error ? `${message}: ${cause.message}` : message}`;
  }

  /** Of an issuer that is not there the feed tells; this one is, and stays as it is until somebody acts. */
  #reportStatus(status: number): void {
    const isRefused = status === 401;
    if (isRefused && !this.#told.refused) {
      this.logger.error(
        `${this.feed.uri} does not know the id ${this.feed.id} with this secret (401): set revocations.id and ` +
          'revocations.secret here to one of the resourceServers of the issuer',
      );
    }
    this.#told.refused = isRefused;
  }

  /** Of answers that come, and tell nothing new. */
  #reportAge({ asOf }: Stamp, age: number): void {
    const isStale = age > this.policy.maxStaleness * 1000;
    if (isStale && !this.#told.stale) {
      const apart = Math.round((this.clock.now() - asOf) / 1000);
      this.logger.error(
        `What ${this.feed.uri} tells of revocations is no news: its Revocations-As-Of is ${Math.abs(apart)} s ` +
          `${apart < 0 ? 'ahead of' : 'behind'} this node's clock. Either something on the way keeps answers, which it ` +
          'must not, or the clocks of this node and of the issuer’s database differ by more than clockTolerance: set them',
      );
    }
    if (!isStale && this.#told.stale)
      this.logger.log(`What ${this.feed.uri} tells of revocations is fresh again`);
    this.#told.stale = isStale;
  }
}
