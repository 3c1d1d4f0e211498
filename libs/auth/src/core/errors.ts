/** Stable reason codes: for logs, metrics and `switch`; the wire carries `error` instead. */
export type AuthErrorCode =
  | 'ERR_CONFIG'
  | 'ERR_REQUEST_MALFORMED'
  | 'ERR_TOKEN_MISSING'
  | 'ERR_TOKEN_SENT_TWICE'
  | 'ERR_BODY_TOO_LARGE'
  | 'ERR_CONTENT_TYPE_UNSUPPORTED'
  | 'ERR_CARRIER_HEADER_MISSING'
  | 'ERR_ORIGIN_REFUSED'
  | 'ERR_GRANT_TYPE_UNSUPPORTED'
  | 'ERR_SCOPE_EXCEEDED'
  | 'ERR_IDEMPOTENCY_KEY_MALFORMED'
  | 'ERR_IDEMPOTENCY_KEY_REUSED'
  | 'ERR_SESSION_MISMATCH'
  | 'ERR_SESSION_UNKNOWN'
  | 'ERR_REFRESH_TOKEN_MALFORMED'
  | 'ERR_REFRESH_TOKEN_FORGED'
  | 'ERR_REFRESH_TOKEN_UNKNOWN'
  | 'ERR_REFRESH_TOKEN_REVOKED'
  | 'ERR_REFRESH_TOKEN_CLIENT_MISMATCH'
  | 'ERR_REFRESH_TOKEN_EXPIRED'
  | 'ERR_REFRESH_TOKEN_IDLE'
  | 'ERR_REFRESH_TOKEN_AHEAD'
  | 'ERR_REFRESH_TOKEN_REUSED'
  | 'ERR_SUBJECT_REFUSED'
  | 'ERR_ACCESS_TOKEN_INVALID'
  | 'ERR_ACCESS_TOKEN_EXPIRED'
  | 'ERR_ACCESS_TOKEN_REVOKED'
  | 'ERR_CONTEXT_UNKNOWN'
  | 'ERR_CLIENT_UNAUTHENTICATED'
  | 'ERR_SCOPE_INSUFFICIENT'
  | 'ERR_AUTHENTICATION_TOO_OLD'
  | 'ERR_TOO_MANY_REQUESTS'
  | 'ERR_SIGNING_KEY_UNAVAILABLE'
  | 'ERR_VERIFICATION_KEYS_UNAVAILABLE'
  | 'ERR_SESSION_CHECK_UNAVAILABLE'
  | 'ERR_REFRESH_TOKEN_KEY_UNKNOWN'
  | 'ERR_STORE_UNAVAILABLE'
  | 'ERR_STORE_CONTENDED'
  | 'ERR_STORE_INCONSISTENT'
  | 'ERR_CLAIMS_UNAVAILABLE'
  | 'ERR_REVOCATIONS_STALE';

/** The word a client reads: RFC 6749 section 5.2, RFC 6750 section 3.1, and what those leave open. */
export type WireError =
  | 'invalid_request'
  | 'invalid_grant'
  | 'invalid_client'
  | 'invalid_scope'
  | 'unsupported_grant_type'
  | 'invalid_token'
  | 'insufficient_scope'
  | 'insufficient_user_authentication'
  | 'session_mismatch'
  | 'not_found'
  | 'temporarily_unavailable'
  | 'server_error';

/**
 * Everything this package refuses, one class for each thing a caller can do about it.
 *
 * `message` is safe to send, `cause` is not and is never sent. No message holds a token, a hash or a key.
 */
export abstract class AuthError extends Error {
  abstract readonly error: WireError;
  abstract readonly status: number;

  constructor(
    readonly code: AuthErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** Thrown at start: `faults` names every bad option at once, each with its remedy. */
export class ConfigError extends AuthError {
  readonly error = 'server_error';
  readonly status = 500;

  constructor(
    readonly faults: readonly string[],
    module = 'AuthModule',
  ) {
    super('ERR_CONFIG', `${module} cannot start:\n${faults.map((fault) => `  - ${fault}`).join('\n')}`);
  }
}

/** Malformed, missing or sent twice. Nothing was spent; the same request will fail again. */
export class InvalidRequestError extends AuthError {
  readonly error = 'invalid_request';

  constructor(
    code: AuthErrorCode,
    message: string,
    readonly status: 400 | 403 | 413 | 415 | 422 = 400,
  ) {
    super(code, message);
  }
}

/** An access token came malformed or more than once, which RFC 6750 section 3 has answered with a challenge, too. */
export class InvalidCredentialsError extends InvalidRequestError {}

/** The token belongs to another session than the refresh names, or the socket has. Nothing was spent. */
export class SessionMismatchError extends AuthError {
  readonly error = 'session_mismatch';
  readonly status = 409;

  constructor() {
    super('ERR_SESSION_MISMATCH', 'The token belongs to another session');
  }
}

/** No living session of this subject has that id. Another subject's session looks the same. */
export class SessionUnknownError extends AuthError {
  readonly error = 'not_found';
  readonly status = 404;

  constructor() {
    super('ERR_SESSION_UNKNOWN', 'No such session');
  }
}

/** The refresh token, or the login, is of no use any more, whatever the cause: `code` tells the log, the wire never. */
export class InvalidGrantError extends AuthError {
  readonly error = 'invalid_grant';
  readonly status = 400;

  constructor(code: AuthErrorCode, options?: ErrorOptions) {
    super(code, 'The grant is invalid, expired or revoked', options);
  }
}

/** The access token is missing, or of no use: refresh, then repeat. */
export class InvalidTokenError extends AuthError {
  readonly error = 'invalid_token';
  readonly status = 401;

  constructor(
    code:
      | 'ERR_TOKEN_MISSING'
      | 'ERR_ACCESS_TOKEN_INVALID'
      | 'ERR_ACCESS_TOKEN_EXPIRED'
      | 'ERR_ACCESS_TOKEN_REVOKED'
      | 'ERR_CONTEXT_UNKNOWN',
    options?: ErrorOptions,
  ) {
    super(
      code,
      code === 'ERR_ACCESS_TOKEN_EXPIRED' ? 'The access token expired' : 'The access token is invalid',
      options,
    );
  }
}

/** The access token is good, and does not grant what the route demands: another one of this session will not either. */
export class InsufficientScopeError extends AuthError {
  readonly error = 'insufficient_scope';
  readonly status = 403;

  /** @param scope everything the route demands, space-separated */
  constructor(readonly scope: string) {
    super('ERR_SCOPE_INSUFFICIENT', 'The access token does not grant the scope this demands');
  }
}

/** The client is unknown, or has not authenticated as it has to. RFC 6749 section 5.2. */
export class InvalidClientError extends AuthError {
  readonly error = 'invalid_client';
  readonly status = 401;

  /**
   * @param isChallenged whether the answer challenges for HTTP Basic, as it must where a client tried that; what a page has
   * sent must not be answered so, as its browser would ask the user for a password
   */
  constructor(readonly isChallenged = false) {
    super('ERR_CLIENT_UNAUTHENTICATED', 'Client authentication failed');
  }
}

/** More, or other scope was asked for than the login granted. Nothing was spent. RFC 6749 section 6. */
export class InvalidScopeError extends AuthError {
  readonly error = 'invalid_scope';
  readonly status = 400;

  constructor() {
    super('ERR_SCOPE_EXCEEDED', 'The scope is malformed, or exceeds what was granted');
  }
}

/** The token endpoint knows refresh tokens only. RFC 6749 section 5.2. */
export class UnsupportedGrantTypeError extends AuthError {
  readonly error = 'unsupported_grant_type';
  readonly status = 400;

  constructor() {
    super('ERR_GRANT_TYPE_UNSUPPORTED', 'grant_type must be refresh_token');
  }
}

/**
 * The access token is good, and the login behind it too long ago for what the route does: log in again.
 *
 * @see RFC 9470 section 3
 */
export class InsufficientUserAuthenticationError extends AuthError {
  readonly error = 'insufficient_user_authentication';
  readonly status = 401;

  /** @param maxAge seconds the login may lie back */
  constructor(readonly maxAge: number) {
    super('ERR_AUTHENTICATION_TOO_OLD', 'A more recent authentication is required');
  }
}

/** Busy or broken, ours or the database's. Nothing was lost: the same request may be repeated. */
export class UnavailableError extends AuthError {
  readonly error = 'temporarily_unavailable';
  readonly status = 503;

  constructor(
    code: AuthErrorCode,
    options?: ErrorOptions,
    /** seconds after which a client should try again */
    readonly retryAfter = 1,
  ) {
    super(code, 'The service cannot answer now; try again', options);
  }
}

/** Too often, for this family, subject or address. Nothing was spent: the same request may be repeated. RFC 6585 section 4. */
export class TooManyRequestsError extends AuthError {
  readonly error = 'temporarily_unavailable';
  readonly status = 429;

  /** @param retryAfter seconds after which a client should try again */
  constructor(readonly retryAfter: number) {
    super('ERR_TOO_MANY_REQUESTS', 'Too many requests; try again later');
  }
}
