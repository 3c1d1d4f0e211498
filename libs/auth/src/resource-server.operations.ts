import type { GuardOutcomes } from './access/guard-outcomes.js';
import type { RevocationCheck } from './core/revocation-ports.js';
import type { TrustedIssuer } from './jwt/verification.js';
import { FeedMetrics } from './operations/feed-metrics.js';
import { TokenHealth } from './operations/token-health.js';
import { TokenMetrics } from './operations/token-metrics.js';
import { RevocationFeed } from './revocation/revocation.feed.js';

type ByIssuer = ReadonlyMap<string, RevocationCheck>;

/** What a service that only verifies can tell of itself. */
export function resourceServerMetrics(guard: GuardOutcomes, revocations: ByIssuer): TokenMetrics {
  return new TokenMetrics([guard, new FeedMetrics(new Map(feedsIn(revocations)))]);
}

/** @param maxStaleness seconds */
export function resourceServerHealth(
  issuers: readonly TrustedIssuer[],
  revocations: ByIssuer,
  maxStaleness: number,
): TokenHealth {
  return new TokenHealth({
    database: null,
    feeds: feedsIn(revocations).map(([issuer, feed]) => ({
      issuer,
      staleness: () => feed.staleness(),
      maxStaleness,
    })),
    keys: () => (issuers.some(({ ring }) => ring.keys.length > 0) ? null : 'no_verification_keys'),
  });
}

/** An issuer without a feed has none that could be stale. */
function feedsIn(revocations: ByIssuer): [string, RevocationFeed][] {
  return [...revocations].filter(
    (each): each is [string, RevocationFeed] => each[1] instanceof RevocationFeed,
  );
}
