import type { BeforeApplicationShutdown, OnModuleDestroy } from '@nestjs/common';
import type { DatabaseProbe } from '../core/ports.js';

/** Why something is down. */
export type HealthReason =
  | 'database_unavailable'
  | 'database_is_standby'
  | 'clock_is_off'
  | 'revocations_stale'
  | 'no_signing_key'
  | 'no_verification_keys'
  | 'shutting_down';

export interface Health {
  readonly status: 'up' | 'down';
  /** of what is down */
  readonly reason?: HealthReason;
  readonly [detail: string]: unknown;
}

/** What `HealthCheckService.check` of `@nestjs/terminus` takes from an indicator. */
export type HealthReport<Key extends string = string> = Record<Key, Health>;

/** What is asked, by whichever module knows; null where a service has no such thing. */
export interface HealthSources {
  readonly database: DatabaseSource | null;
  readonly feeds: readonly FeedHealth[];
  /** what is wrong with the keys now, if anything is */
  readonly keys: () => HealthReason | null;
}

/** The database, and the clock of this node beside it. */
interface DatabaseSource extends DatabaseProbe {
  /** milliseconds since the epoch on this node */
  clock(): number;
  /** seconds */
  readonly clockTolerance: number;
}

/** What came of asking it. */
interface DatabaseHealth {
  readonly database: Health;
  readonly clock: Health;
}

interface FeedHealth {
  /** where there are several */
  readonly issuer?: string;
  /** seconds */
  staleness(): number;
  /** seconds */
  readonly maxStaleness: number;
}

/**
 * Whether this node lives, and whether it should be sent requests. No method throws or rejects: what is wrong is in
 * the report, by a stable reason and nothing of an error's own text, as anybody may read such a page.
 */
export class TokenHealth implements OnModuleDestroy, BeforeApplicationShutdown {
  #isShuttingDown = false;
  #asking: Promise<DatabaseHealth> | null = null;

  constructor(private readonly sources: HealthSources) {}

  /**
   * `ready()` is down from now on; nothing else changes, and nothing takes it back.
   *
   * The application's shutdown calls it, and that is early enough unless an `onModuleDestroy` of yours takes its time:
   * Nest comes to this one after those of your modules, and waits for each. Then call it first yourself, there or in a
   * handler of SIGTERM.
   */
  shutDown(): void {
    this.#isShuttingDown = true;
  }

  /** In the first phase of a shutdown, though not first in it: the server still listens, no pool is closed. */
  onModuleDestroy(): void {
    this.shutDown();
  }

  beforeApplicationShutdown(): void {
    this.shutDown();
  }

  /** Up for as long as this process can answer at all: a restart mends nothing that `ready` reports. */
  live(): HealthReport<'token_live'> {
    return { token_live: up() };
  }

  /**
   * Asks the database one cheap question, in `database.queryTimeout` at most, waiting for a connection included. Down
   * when there is no answer, or a standby's. Who asks meanwhile shares the answer, so a page that anybody may read
   * costs one connection at most.
   */
  async database(): Promise<HealthReport<'token_database'>> {
    return { token_database: (await this.#askDatabase()).database };
  }

  /**
   * Down when this node's clock is off the database's by more than `clockTolerance`: it would take access tokens for
   * expired, or for good, that are not. Says by how many seconds it is ahead, at the least; null when the database did
   * not answer.
   */
  async clock(): Promise<HealthReport<'token_clock'>> {
    return { token_clock: (await this.#askDatabase()).clock };
  }

  /**
   * Down when this node has had no news of revocations for longer than `revocation.maxStaleness`, whatever
   * `revocation.onStale` makes of it; says their age in seconds, null for never. Of several issuers one that is heard
   * keeps it up: the tokens of that one are served.
   */
  revocations(): HealthReport<'token_revocations'> {
    const issuers = this.sources.feeds.map((feed) => ({
      ...(feed.issuer !== undefined && { issuer: feed.issuer }),
      stalenessSeconds: rounded(feed.staleness()),
      maxStalenessSeconds: feed.maxStaleness,
    }));
    const [only] = issuers;
    const details = only && issuers.length === 1 ? only : { issuers };
    const isUp = issuers.length === 0 || issuers.some(isFresh);
    return { token_revocations: isUp ? up(details) : down('revocations_stale', details) };
  }

  /** Down when this node has no key to sign with; where it only verifies, when it has none of any issuer's. */
  keys(): HealthReport<'token_keys'> {
    const reason = this.sources.keys();
    return { token_keys: reason === null ? up() : down(reason) };
  }

  /** All of them, and down from `shutDown` on. */
  async ready(): Promise<HealthReport> {
    const asked = this.sources.database ? await this.#askDatabase() : null;
    const database = asked ? { token_database: asked.database, token_clock: asked.clock } : {};
    const shutdown = this.#isShuttingDown ? { token_shutdown: down('shutting_down') } : {};
    return { ...shutdown, ...database, ...this.revocations(), ...this.keys() };
  }

  #askDatabase(): Promise<DatabaseHealth> {
    this.#asking ??= judge(this.sources.database).finally(() => {
      this.#asking = null;
    });
    return this.#asking;
  }
}

async function judge(source: DatabaseSource | null): Promise<DatabaseHealth> {
  if (!source) return { database: up(), clock: up() };
  const before = source.clock();
  try {
    const { now, isStandby } = await source.ask();
    const seconds = aheadOf(now, before, source.clock()) / 1000;
    const details = { aheadSeconds: rounded(seconds) };
    const isOff = Math.abs(seconds) > source.clockTolerance;
    return {
      database: isStandby ? down('database_is_standby') : up(),
      clock: isOff ? down('clock_is_off', details) : up(details),
    };
  } catch {
    return { database: down('database_unavailable'), clock: up({ aheadSeconds: null }) };
  }
}

/** How far a clock that showed `before` and `after` around the moment `now` is ahead of it, at the least; milliseconds. */
function aheadOf(now: number, before: number, after: number): number {
  if (now < before) return before - now;
  // What a clock shows is a whole millisecond, rounded down.
  return now >= after + 1 ? after - now : 0;
}

interface FeedAge {
  readonly stalenessSeconds: number | null;
  readonly maxStalenessSeconds: number;
}

function isFresh({ stalenessSeconds, maxStalenessSeconds }: FeedAge): boolean {
  return stalenessSeconds !== null && stalenessSeconds <= maxStalenessSeconds;
}

/** To the millisecond; null for never, as JSON has no Infinity. */
function rounded(seconds: number): number | null {
  return Number.isFinite(seconds) ? Math.round(seconds * 1000) / 1000 : null;
}

function up(details: object = {}): Health {
  return { status: 'up', ...details };
}

function down(reason: HealthReason, details: object = {}): Health {
  return { status: 'down', reason, ...details };
}
