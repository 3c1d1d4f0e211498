import type { Provider } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { AccessPolicy, Clock } from '../core/ports.js';
import { RevocationCheck } from '../core/revocation-ports.js';
import { AccessTokenVerifier } from '../jwt/verification.js';
import { AccessGuard } from './access.guard.js';
import { AccessTokenStrategy } from './access-token.strategy.js';
import { AuthErrorFilter } from './auth-error.filter.js';
import { GuardOutcomes } from './guard-outcomes.js';
import { SocketSessions } from './socket-sessions.js';
import { VerifiedTokens } from './verified-tokens.js';

/**
 * The guard and what it is made of. The module they belong to adds the ports: `AccessTokenVerifier`, `VerifiedTokens`,
 * `RevocationCheck`, `AccessPolicy`, and, where there is a database, `SessionCheck`.
 */
export const ACCESS_PROVIDERS: Provider[] = [
  {
    provide: Clock,
    useValue: { now: () => Date.now(), monotonic: () => performance.now() } satisfies Clock,
  },
  GuardOutcomes,
  SocketSessions,
  AccessTokenStrategy,
  AccessGuard,
  AuthErrorFilter,
  { provide: APP_FILTER, useExisting: AuthErrorFilter },
];

/** What an application uses, and what the guard needs where an application uses it in modules of its own. */
export const ACCESS_EXPORTS = [
  AccessGuard,
  AccessTokenVerifier,
  AuthErrorFilter,
  SocketSessions,
  AccessTokenStrategy,
  GuardOutcomes,
  VerifiedTokens,
  RevocationCheck,
  AccessPolicy,
  Clock,
];
