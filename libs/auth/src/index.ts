export { AuthModule } from './auth.module.js';
export type { AuthModuleExtras, RoutesOptions } from './auth.module-definition.js';

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
export type { AcceptOptions } from './access/socket-sessions.js';
export type { UpgradeRequest } from './access/handshake.js';

export type { AccessTokenClaims } from './core/access-token.js';
export {
  AuthError,
  ConfigError,
  InsufficientScopeError,
  InsufficientUserAuthenticationError,
  InvalidClientError,
  InvalidGrantError,
  InvalidRequestError,
  InvalidScopeError,
  InvalidTokenError,
  SessionMismatchError,
  SessionUnknownError,
  TooManyRequestsError,
  UnavailableError,
  UnsupportedGrantTypeError,
} from './core/errors.js';
export type { AuthErrorCode, WireError } from './core/errors.js';
export type { TokenEvent, TokenEventType } from './core/events.js';
export type { Claims, Device, RevocationReason } from './core/family.js';
export type { KeyStanding, SigningKeyState } from './core/key-schedule.js';
export type { Duration } from './core/lifetime.js';
export type { Metric, MetricSample } from './core/metrics.js';
export type {
  CarrierPolicy,
  ClientOptions,
  KeyEncryptionKey,
  ManagedKeysOptions,
  SigningAlgorithm,
  SigningKeyInput,
  TokenFamilyOptions,
} from './core/options.js';
export type { ClaimsProvider, ClaimsRequest, TransactionContext } from './core/ports.js';
export type { RefreshTokenKey } from './core/refresh-token.js';

export type { Client } from './http/client-authentication.js';
export { ClientGuard, CurrentClient } from './http/client.guard.js';
export { corsOptions } from './http/cors.js';
export type { CorsSettings } from './http/cors.js';
export { Rotated, TokenResponse } from './http/decorators.js';
export { RefreshGuard } from './http/refresh.guard.js';
export type { SessionBody } from './http/sessions.controller.js';
export type { TokenResponseBody } from './http/token-response.js';

export type { Introspection } from './issuer/introspection.js';
export { TokenPruning } from './issuer/pruning.js';
export type { Session } from './issuer/session.js';
export { TokenEvents } from './issuer/token-events.js';
export type { TokenPair } from './issuer/token-pair.js';
export { TokenService } from './issuer/token.service.js';
export type {
  EndOptions,
  IssueOptions,
  RevokeOptions,
  RevokeTokenOptions,
  RotateOptions,
} from './issuer/token.options.js';

export { SigningKeyService } from './jwt/signing-key.service.js';
export type { SigningKeyInfo } from './jwt/signing-key.service.js';
export { AccessTokenVerifier } from './jwt/verification.js';

export { TokenHealth } from './operations/token-health.js';
export type { Health, HealthReason, HealthReport } from './operations/token-health.js';
export { TokenMetrics } from './operations/token-metrics.js';

export { tokenFamilyAuditMigrations, tokenFamilyMigrations } from './storage/migrations/index.js';
export { RefreshToken } from './storage/refresh-token.entity.js';
export { SigningKeyRecord } from './storage/signing-key.entity.js';
export { TokenAudit } from './storage/token-audit.entity.js';
