import { Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { ConfigError, UnavailableError } from '../core/errors.js';
import { elapsedSince, instantOf, type Instant } from '../core/instant.js';
import type { ResolvedOptions } from '../core/options.js';
import type { Clock, KeySource, RefreshTokenStore, RevocationCheck } from '../core/ports.js';
import { RevokedSessions } from './revoked-sessions.js';

type Source = Pick<RefreshTokenStore, 'revokedWithin'>;
type Listener = (sids: readonly string[]) => void;

/** A time stamp can be older than its commit by as long as a transaction may take. */
const OVERLAP = 60_000;
const HOUR = 3_600_000;
const MARGIN = 60_000;

/**
 * Keeps this node's knowledge of what has been revoked, sessions and signing keys alike: loads it before the application serves, polls for news, and
 * knows how old its knowledge is.
 *
 * Plain re-reading is the whole method: a short overlap at every poll, the whole window every `maxStaleness`. It
 * misses no late commit, survives a failover, and needs nothing of the database but an index.
 */
export class RevocationFeed implements RevocationCheck, OnApplicationBootstrap, OnApplicationShutdown {
  readonly #logger = new Logger(RevocationFeed.name);
  readonly #revoked: RevokedSessions;
  readonly #listeners = new Set<Listener>();
  readonly #wholeWindow: number;
  /** milliseconds, up to which what is known is believed */
  readonly #oldest: number;
  readonly #read: { sessions: Instant | null; keys: Instant | null } = { sessions: null, keys: null };
  #confirmed: Instant | null = null;
  #readingKeys: Promise<void> | null = null;
  #readWholeAt = -Infinity;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  #failing = false;

  constructor(
    private readonly source: Source,
    private readonly keys: Pick<KeySource, 'refresh'>,
    private readonly options: Pick<ResolvedOptions, 'revocation' | 'accessToken' | 'clockTolerance'>,
    private readonly clock: Clock,
  ) {
    const longestLife = (options.accessToken.lifetime + options.clockTolerance) * 1000;
    this.#revoked = new RevokedSessions(longestLife + MARGIN);
    this.#wholeWindow = longestLife + HOUR;
    const { onStale, maxStaleness } = options.revocation;
    this.#oldest = onStale === 'refuse' ? maxStaleness * 1000 : Infinity;
  }

  /**
   * A node does not serve before its first load: an application that starts without its database does not start.
   *
   * @throws {ConfigError} says what the database said
   */
  async onApplicationBootstrap(): Promise<void> {
    await this.refresh().catch((error: unknown) => {
      throw new ConfigError([`revocations cannot be read from the database: ${reasonOf(error)}`]);
    });
    this.#schedule();
  }

  /** Not a moment earlier: a server that drains still asks. */
  onApplicationShutdown(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  isRevoked(sid: string, now: number): boolean {
    // Before the first load there is nothing that could be accepted as old.
    if (this.#confirmed === null || elapsedSince(this.#confirmed, this.clock, now) > this.#oldest) {
      throw new UnavailableError('ERR_REVOCATIONS_STALE');
    }
    return this.#revoked.has(sid);
  }

  learn(sids: readonly string[]): void {
    const news = this.#revoked.learn(sids, this.clock.monotonic());
    if (news.length > 0) for (const listener of this.#listeners) this.#tell(listener, news);
  }

  onRevoked(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Seconds since this node's knowledge was last confirmed, on whichever clock says more; a process may have slept. */
  staleness(now = this.clock.now()): number {
    return elapsedSince(this.#confirmed, this.clock, now) / 1000;
  }

  /**
   * Reads the news once.
   *
   * @throws {UnavailableError} the database did not answer in time; what was known stays known
   */
  async refresh(): Promise<void> {
    await Promise.all([this.#readSessions(), this.#readKeys()]);
  }

  async #readSessions(): Promise<void> {
    const asked = instantOf(this.clock);
    const isWhole = asked.monotonic - this.#readWholeAt >= this.options.revocation.maxStaleness * 1000;
    const missed = elapsedSince(this.#read.sessions, this.clock, asked.wall);
    const window = isWhole ? this.#wholeWindow : Math.min(missed + OVERLAP, this.#wholeWindow);
    const { sessions } = await this.source.revokedWithin(window);
    this.learn(sessions.map(({ sid }) => sid));
    this.#revoked.forgetUntil(this.clock.monotonic());
    if (isWhole) this.#readWholeAt = asked.monotonic;
    this.#confirm('sessions', asked);
  }

  /** One reading at a time, and nobody's polling waits for it: when a key is due to change, that takes its time. */
  #readKeys(): Promise<void> {
    const asked = instantOf(this.clock);
    this.#readingKeys ??= this.keys
      .refresh()
      .then(() => this.#confirm('keys', asked))
      .finally(() => {
        this.#readingKeys = null;
      });
    return this.#readingKeys;
  }

  /** As old as the older of the two. */
  #confirm(what: 'sessions' | 'keys', asked: Instant): void {
    this.#read[what] = asked;
    const { sessions, keys } = this.#read;
    this.#confirmed = sessions && keys && (sessions.monotonic < keys.monotonic ? sessions : keys);
  }

  /** What fails in somebody else's code must not keep the others from hearing. */
  #tell(listener: Listener, news: readonly string[]): void {
    try {
      listener(news);
    } catch (error) {
      this.#logger.error(`A listener to revocations failed: ${String(error)}`);
    }
  }

  #schedule(): void {
    if (this.#closed) return;
    this.#timer = setTimeout(() => void this.#poll(), this.options.revocation.pollInterval * 1000).unref();
  }

  async #poll(): Promise<void> {
    const sessions = this.#readSessions();
    void this.#report(Promise.all([sessions, this.#readKeys()]));
    await sessions.catch(() => {});
    this.#schedule();
  }

  async #report(reading: Promise<unknown>): Promise<void> {
    try {
      await reading;
      if (this.#failing) this.#logger.log('Revocations are read again');
      this.#failing = false;
    } catch (error) {
      if (!this.#failing && !this.#closed)
        this.#logger.error(`Revocations cannot be read: ${reasonOf(error)}`);
      this.#failing = true;
    }
  }
}

function reasonOf(error: unknown): string {
  const { cause } = error as Error;
  return cause instanceof Error ? cause.message : String(error);
}
