import { Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { ConfigError, UnavailableError } from '../core/errors.js';
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
  #confirmed: { monotonic: number; wall: number } | null = null;
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
    const { onStale, maxStaleness } = this.options.revocation;
    if (onStale === 'refuse' && this.staleness(now) > maxStaleness) {
      throw new UnavailableError('ERR_REVOCATIONS_STALE');
    }
    return this.#revoked.has(sid);
  }

  learn(sids: readonly string[]): void {
    const news = this.#revoked.learn(sids, this.clock.monotonic());
    if (news.length > 0) for (const tell of this.#listeners) tell(news);
  }

  onRevoked(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Seconds since this node's knowledge was last confirmed, on whichever clock says more; a process may have slept. */
  staleness(now = this.clock.now()): number {
    if (!this.#confirmed) return Infinity;
    const { monotonic, wall } = this.#confirmed;
    return Math.max(this.clock.monotonic() - monotonic, now - wall) / 1000;
  }

  /**
   * Reads the news once.
   *
   * @throws {UnavailableError} the database did not answer in time; what was known stays known
   */
  async refresh(): Promise<void> {
    const asked = { monotonic: this.clock.monotonic(), wall: this.clock.now() };
    const isWhole = asked.monotonic - this.#readWholeAt >= this.options.revocation.maxStaleness * 1000;
    const window = isWhole ? this.#wholeWindow : this.staleness() * 1000 + OVERLAP;
    const [{ sessions }] = await Promise.all([
      this.source.revokedWithin(Math.min(window, this.#wholeWindow)),
      this.keys.refresh(),
    ]);
    this.learn(sessions.map(({ sid }) => sid));
    this.#revoked.forgetUntil(this.clock.monotonic());
    this.#confirmed = asked;
    if (isWhole) this.#readWholeAt = asked.monotonic;
  }

  #schedule(): void {
    if (this.#closed) return;
    this.#timer = setTimeout(() => void this.#poll(), this.options.revocation.pollInterval * 1000).unref();
  }

  async #poll(): Promise<void> {
    try {
      await this.refresh();
      if (this.#failing) this.#logger.log('Revocations are read again');
      this.#failing = false;
    } catch (error) {
      if (!this.#failing && !this.#closed)
        this.#logger.error(`Revocations cannot be read: ${reasonOf(error)}`);
      this.#failing = true;
    }
    this.#schedule();
  }
}

function reasonOf(error: unknown): string {
  const { cause } = error as Error;
  return cause instanceof Error ? cause.message : String(error);
}
