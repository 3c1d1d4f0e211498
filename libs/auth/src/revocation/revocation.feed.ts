import { Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { ConfigError, UnavailableError } from '../core/errors.js';
import { elapsedSince, instantOf } from '../core/instant.js';
import { LogEntry } from '../core/log-entry.js';
import type { Clock, KeySource } from '../core/ports.js';
import type {
  KnownRevocation,
  RevocationChannel,
  RevocationCheck,
  RevocationMemory,
  RevocationSnapshot,
  RevocationSource,
} from '../core/revocation-ports.js';
import { reasonOf } from '../core/reason.js';
import { Confirmation } from './confirmation.js';
import { Polling } from './polling.js';
import { PropagationLag, type RevocationLag } from './propagation-lag.js';
import { RevocationListeners, type RevocationNewsListener } from './revocation-listeners.js';
import { RevokedSessions } from './revoked-sessions.js';

/** A time stamp can be older than its commit by as long as a transaction may take. */
const OVERLAP = 60_000;
const HOUR = 3_600_000;
/** For two clocks, each of them off by as much as may be tolerated. */
const MARGIN = 120_000;

/** Seconds. */
export interface RevocationPolicy {
  readonly pollInterval: number;
  readonly maxStaleness: number;
  readonly onStale: 'refuse' | 'accept';
  /** for how long after its issue an access token may be believed, clock tolerance included */
  readonly longestLife: number;
  /** a source that tells of more sessions than these is not read on; default: no limit */
  readonly mostSessions?: number;
}

/**
 * Keeps this node's knowledge of what has been revoked, sessions and signing keys alike: loads it before the application serves, polls for news, and
 * knows how old its knowledge is.
 *
 * Plain re-reading is the whole method: a short overlap at every poll, the whole window every `maxStaleness` or sooner. It
 * misses no late commit, survives a failover, and needs nothing of the database but an index. The channel only makes
 * it faster: what is heard is learned, and confirms nothing.
 */
export class RevocationFeed
  implements RevocationCheck, RevocationMemory, OnApplicationBootstrap, OnApplicationShutdown
{
  readonly #logger = new Logger(RevocationFeed.name);
  readonly #revoked: RevokedSessions;
  readonly #lag: PropagationLag;
  readonly #polling: Polling;
  readonly #listeners = new RevocationListeners();
  readonly #wholeWindow: number;
  readonly #wholeInterval: number;
  readonly #mostSessions: number;
  /** milliseconds */
  readonly #maxStaleness: number;
  /** milliseconds, up to which what is known is believed */
  readonly #oldest: number;
  readonly #confirmed = new Confirmation();
  #readingKeys: Promise<void> | null = null;
  /** null: the next reading is of the whole window, whenever that is */
  #readWholeAt: number | null = null;
  #hasJoined = false;
  #closed = false;
  #failing = false;

  constructor(
    private readonly source: RevocationSource,
    private readonly keys: Pick<KeySource, 'refresh'>,
    private readonly channel: RevocationChannel,
    policy: RevocationPolicy,
    private readonly clock: Clock,
  ) {
    const longestLife = policy.longestLife * 1000;
    const keep = longestLife + MARGIN;
    this.#revoked = new RevokedSessions(keep);
    this.#lag = new PropagationLag(keep);
    this.#wholeWindow = longestLife + HOUR;
    this.#maxStaleness = policy.maxStaleness * 1000;
    // Well before anything is forgotten that a whole reading has to be compared with.
    this.#wholeInterval = Math.min(this.#maxStaleness, keep / 2);
    this.#mostSessions = policy.mostSessions ?? Infinity;
    this.#oldest = policy.onStale === 'refuse' ? this.#maxStaleness : Infinity;
    const pace = { interval: policy.pollInterval * 1000, limit: this.#maxStaleness };
    this.#polling = new Polling(() => this.#poll(), pace, clock);
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
    this.start();
  }

  /** Polls and hears from now on; where nothing has been read yet, until then `isRevoked` throws. */
  start(): void {
    if (this.#closed) return;
    this.#polling.start();
    if (!this.#confirmed.whole) this.#polling.hurry();
    this.channel.open({
      isKnown: (sid) => this.#revoked.has(sid),
      heard: (sessions, now) => this.#lag.add(this.#learn(sessions), now),
      missed: () => this.#polling.hurry(),
      joined: () => this.#rejoin(),
    });
  }

  /** Not a moment earlier: a server that drains still asks. */
  async onApplicationShutdown(): Promise<void> {
    this.#closed = true;
    this.#polling.stop();
    await this.channel.close();
  }

  isRevoked(sid: string, now: number): boolean {
    // Before the first load there is nothing that could be accepted as old.
    const { whole } = this.#confirmed;
    if (whole === null || elapsedSince(whole, this.clock, now) > this.#oldest) {
      throw new UnavailableError('ERR_REVOCATIONS_STALE');
    }
    return this.#revoked.has(sid);
  }

  knows(sid: string): boolean {
    return this.#revoked.has(sid);
  }

  /** The one place where other nodes are told: what was read or heard, they can read and hear themselves. */
  learn(sids: readonly string[]): void {
    this.#learn(sids.map((sid) => ({ sid, revokedAt: null })));
    if (sids.length > 0) this.channel.announce(sids);
  }

  onRevoked(listener: RevocationNewsListener): () => void {
    return this.#listeners.add(listener);
  }

  /** Seconds since this node's knowledge was last confirmed, on whichever clock says more; a process may have slept. */
  staleness(now = this.clock.now()): number {
    return elapsedSince(this.#confirmed.whole, this.clock, now) / 1000;
  }

  /** How long revocations on other nodes took to get here, and how many sessions are known to be revoked. */
  get lag(): RevocationLag & { readonly size: number } {
    return { ...this.#lag.read(), size: this.#revoked.size };
  }

  /** Another number whenever a snapshot might hold other sessions. */
  get version(): number {
    return this.#revoked.version;
  }

  /**
   * What this node knows of revoked sessions, from memory.
   *
   * @param since milliseconds since the epoch on the database's clock; -Infinity for all that is known
   * @param limit for how many at most, and a few more where times are equal
   * @throws {UnavailableError} there is nothing yet, or nothing newer than `maxStaleness`, whatever `onStale` says:
   * who asks decides for itself what to do without
   */
  snapshot(since: number, limit: number): RevocationSnapshot {
    const { sessions, asOf } = this.#confirmed;
    const age = elapsedSince(sessions, this.clock);
    if (age > this.#maxStaleness) throw new UnavailableError('ERR_REVOCATIONS_STALE');
    return { ...this.#revoked.page(since, limit), asOf, age };
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
    const isWhole = asked.monotonic - (this.#readWholeAt ?? -Infinity) >= this.#wholeInterval;
    // Taken back by whatever makes another one necessary while this one is under way.
    this.#readWholeAt = isWhole ? asked.monotonic : this.#readWholeAt;
    const missed = elapsedSince(this.#confirmed.sessions, this.clock, asked.wall);
    const window = isWhole ? this.#wholeWindow : Math.min(missed + OVERLAP, this.#wholeWindow);
    const isFirst = this.#confirmed.sessions === null;
    const news: (readonly KnownRevocation[])[] = [];
    const { restore } = this.source;
    const read = isWhole && restore ? new Set<string>() : null;
    const take = (sessions: readonly KnownRevocation[]) => {
      if (read) for (const { sid } of sessions) read.add(sid);
      news.push(this.#learn(sessions));
      if (this.#revoked.size > this.#mostSessions)
        throw new Error('More sessions are revoked than can be remembered');
    };
    const { now, age } = await this.source.read(window, take).catch((error: unknown) => {
      this.#readWholeAt = null;
      // Where nothing could be made again, there is nothing to wait for.
      if (!restore) this.#revoked.forgetUntil(this.clock.monotonic());
      throw error;
    });
    if (!isFirst) for (const page of news) this.#lag.add(page, now + age);
    // Before anything is forgotten: an outage may have been longer than the memory.
    if (read) this.#restoreLost(read, asked.monotonic, now - window + OVERLAP);
    this.#revoked.forgetUntil(this.clock.monotonic());
    this.#confirmed.confirmSessions({ monotonic: asked.monotonic - age, wall: asked.wall - age }, now);
  }

  /** A failover to a standby that lacked the last commits has lost them: whoever knows of them makes them again. */
  #restoreLost(read: ReadonlySet<string>, heardBefore: number, since: number): void {
    const lost = this.#revoked.absentFrom(read, heardBefore, since);
    if (lost.length > 0) void this.source.restore?.(lost);
  }

  /** The server may be another one, behind the one before it: what is known is compared with all it has. */
  #rejoin(): void {
    if (this.#hasJoined) this.#readWholeAt = null;
    this.#hasJoined = true;
    this.#polling.hurry();
  }

  /** One reading at a time, and nobody's polling waits for it: when a key is due to change, that takes its time. */
  #readKeys(): Promise<void> {
    const asked = instantOf(this.clock);
    this.#readingKeys ??= this.keys
      .refresh()
      .then(() => this.#confirmed.confirmKeys(asked))
      .finally(() => {
        this.#readingKeys = null;
      });
    return this.#readingKeys;
  }

  #learn(revocations: readonly KnownRevocation[]): readonly KnownRevocation[] {
    const news = this.#revoked.learn(revocations, this.clock.monotonic());
    if (news.length > 0) this.#listeners.tell(news.map(({ sid }) => sid));
    return news;
  }

  async #poll(): Promise<void> {
    const sessions = this.#readSessions();
    void this.#report(Promise.all([sessions, this.#readKeys()]));
    await sessions.catch(() => {});
  }

  async #report(reading: Promise<unknown>): Promise<void> {
    try {
      await reading;
      if (this.#failing) this.#logger.log(new LogEntry({ event: 'revocations_readable' }));
      this.#failing = false;
    } catch (error) {
      if (!this.#failing && !this.#closed)
        this.#logger.error(new LogEntry({ event: 'revocations_unreadable', cause: reasonOf(error) }));
      this.#failing = true;
    }
  }
}
