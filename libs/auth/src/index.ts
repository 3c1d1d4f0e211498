export { AuthModule } from './auth.module.js';
export type { AuthModuleExtras, RoutesOptions } from './auth.module-definition.js';

export type { AccessTokenClaims } from './core/access-token.js';
export {
  AuthError,
  ConfigError,
  InvalidGrantError,
  InvalidRequestError,
  InvalidTokenError,
  SessionMismatchError,
  SessionUnknownError,
  UnavailableError,
} from './core/errors.js';
export type { AuthErrorCode, WireError } from './core/errors.js';
export type { TokenEvent, TokenEventType } from './core/events.js';
export type { Claims, Device, RevocationReason } from './core/family.js';
export type { Duration } from './core/lifetime.js';
export type { CarrierPolicy, SigningAlgorithm, SigningKeyInput, TokenFamilyOptions } from './core/options.js';
export type { ClaimsProvider, ClaimsRequest, TransactionContext } from './core/ports.js';
export type { RefreshTokenKey } from './core/refresh-token.js';

export { AccessGuard } from './http/access.guard.js';
export { AuthErrorFilter } from './http/auth-error.filter.js';
export { AuthHttpException } from './http/auth-http.exception.js';
export { CurrentSession, CurrentUser, Public, Rotated, TokenResponse } from './http/decorators.js';
export { RefreshGuard } from './http/refresh.guard.js';
export type { SessionBody } from './http/sessions.controller.js';
export type { TokenResponseBody } from './http/token-response.interceptor.js';

export type { Introspection } from './issuer/introspection.js';
export type { Session } from './issuer/session.js';
export { TokenEvents } from './issuer/token-events.js';
export type { TokenPair } from './issuer/token-pair.js';
export { TokenService } from './issuer/token.service.js';
export type { IssueOptions, RevokeOptions, RotateOptions } from './issuer/token.service.js';

export { AccessTokenVerifier } from './jwt/verification.js';

export { tokenFamilyMigrations } from './storage/migrations/index.js';
export { RefreshToken } from './storage/refresh-token.entity.js';
