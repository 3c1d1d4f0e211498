/** For a service that only verifies access tokens: neither TypeORM nor a database comes with this door. */
export { ResourceServerModule } from './resource-server.module.js';
export type { ResourceServerModuleExtras } from './resource-server.module-definition.js';
export type {
  RemoteFeedOptions,
  ResourceServerOptions,
  TrustedIssuerOptions,
} from './core/resource-server-options.js';

export { AccessGuard } from './access/access.guard.js';
export { AuthErrorFilter } from './access/auth-error.filter.js';
export { AuthHttpException } from './access/auth-http.exception.js';
export {
  CurrentSession,
  CurrentUser,
  Fresh,
  OptionalAuth,
  Public,
  RequireScope,
  Strict,
} from './access/decorators.js';
export type { Requirements } from './access/requirements.js';
export { SocketSessions } from './access/socket-sessions.js';

export type { AccessTokenClaims } from './core/access-token.js';
export {
  AuthError,
  ConfigError,
  InsufficientScopeError,
  InsufficientUserAuthenticationError,
  InvalidRequestError,
  InvalidTokenError,
  UnavailableError,
} from './core/errors.js';
export type { AuthErrorCode, WireError } from './core/errors.js';
export type { Duration } from './core/lifetime.js';
export type { Metric, MetricSample } from './core/metrics.js';
export type { SigningKeyInput } from './core/options.js';

export { AccessTokenVerifier } from './jwt/verification.js';

export { TokenHealth } from './operations/token-health.js';
export type { Health, HealthReason, HealthReport } from './operations/token-health.js';
export { TokenMetrics } from './operations/token-metrics.js';
