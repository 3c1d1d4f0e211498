import type { Provider } from '@nestjs/common';
import { GuardOutcomes } from './access/guard-outcomes.js';
import type { MetricSource } from './core/metrics.js';
import { ResolvedOptions } from './core/options.js';
import { Clock, DatabaseProbe } from './core/ports.js';
import { RevocationCheck } from './core/revocation-ports.js';
import { IssuerTally } from './issuer/issuer-tally.js';
import { TokenEvents } from './issuer/token-events.js';
import { KeyMetrics } from './jwt/key-metrics.js';
import { KeyRing } from './jwt/key-ring.js';
import { FeedMetrics } from './operations/feed-metrics.js';
import { TokenHealth } from './operations/token-health.js';
import { TokenMetrics } from './operations/token-metrics.js';
import type { RevocationFeed } from './revocation/revocation.feed.js';
import { PoolMetrics } from './storage/pool-metrics.js';

/** What operators see of a node: it counts and asks, and has no part in what is decided. */
export const OPERATIONS: Provider[] = [
  {
    provide: IssuerTally,
    inject: [TokenEvents],
    useFactory: (events: TokenEvents) => new IssuerTally(events),
  },
  {
    provide: TokenMetrics,
    inject: [IssuerTally, GuardOutcomes, RevocationCheck, KeyMetrics, PoolMetrics],
    useFactory: (
      issuer: IssuerTally,
      guard: GuardOutcomes,
      feed: RevocationFeed,
      keys: KeyMetrics,
      pool: MetricSource,
    ) => new TokenMetrics([issuer, guard, new FeedMetrics(new Map([[null, feed]])), keys, pool]),
  },
  {
    provide: TokenHealth,
    inject: [DatabaseProbe, RevocationCheck, KeyRing, ResolvedOptions, Clock],
    useFactory: (
      database: DatabaseProbe,
      feed: RevocationFeed,
      ring: KeyRing,
      { revocation: { maxStaleness }, clockTolerance }: ResolvedOptions,
      clock: Clock,
    ) =>
      new TokenHealth({
        database: { ask: () => database.ask(), clock: () => clock.now(), clockTolerance },
        feeds: [{ staleness: () => feed.staleness(), maxStaleness }],
        keys: () => (ring.canSign ? null : 'no_signing_key'),
      }),
  },
];
