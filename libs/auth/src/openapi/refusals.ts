import type { Requirements } from '../access/requirements.js';
import {
  InsufficientScopeError,
  InsufficientUserAuthenticationError,
  InvalidClientError,
  InvalidCredentialsError,
  InvalidGrantError,
  InvalidRequestError,
  InvalidScopeError,
  InvalidTokenError,
  SessionMismatchError,
  SessionUnknownError,
  TooManyRequestsError,
  UnavailableError,
  UnsupportedGrantTypeError,
} from '../core/errors.js';
import { carrierHeaderMissing, refreshTokenMissing, refreshTokenSentTwice } from '../http/carriers.js';
import { bodyTooLarge, contentTypeUnsupported, FORM, JSON_OR_FORM, malformed } from '../http/request-body.js';
import { originRefused } from '../http/same-origin.js';
import type { Refusals } from './answers.js';

const THROTTLED: Refusals = { throttled: new TooManyRequestsError(30) };
const UNAVAILABLE: Refusals = { unavailable: new UnavailableError('ERR_STORE_UNAVAILABLE') };

const NO_TOKEN: Refusals = { no_token: new InvalidTokenError('ERR_TOKEN_MISSING') };
const BAD_CREDENTIALS: Refusals = {
  malformed_authorization: new InvalidCredentialsError(
    'ERR_REQUEST_MALFORMED',
    'The Authorization header is malformed',
  ),
};
const BAD_ACCESS_TOKEN: Refusals = {
  ...BAD_CREDENTIALS,
  invalid_access_token: new InvalidTokenError('ERR_ACCESS_TOKEN_INVALID'),
  expired_access_token: new InvalidTokenError('ERR_ACCESS_TOKEN_EXPIRED'),
};

/** What `AccessGuard` answers in place of a handler that demands this. */
export function refusalsOf({ access, scope, maxAge }: Requirements): Refusals {
  if (access === 'public') return {};
  return {
    ...(access === 'required' && NO_TOKEN),
    ...BAD_ACCESS_TOKEN,
    ...(maxAge !== null && { old_login: new InsufficientUserAuthenticationError(maxAge) }),
    ...(scope.length > 0 && { missing_scope: new InsufficientScopeError(scope.join(' ')) }),
    ...UNAVAILABLE,
  };
}

const INVALID_CLIENT: Refusals = {
  unknown_client: new InvalidClientError(),
  refused_credentials: new InvalidClientError(true),
};
/** Where services alone ask. */
const INVALID_SERVICE: Refusals = { unknown_client: new InvalidClientError(true) };

const CARRIER: Refusals = {
  unknown_carrier: malformed('X-Token-Carrier must be body or cookie'),
  refused_origin: originRefused(),
};

const COOKIE_ALONE: Refusals = { cookie_without_header: carrierHeaderMissing() };

/** What `@TokenResponse()` and `TokenService.issue` refuse. */
export const ON_LOGIN: Refusals = {
  ...CARRIER,
  refused_subject: new InvalidGrantError('ERR_SUBJECT_REFUSED'),
  ...UNAVAILABLE,
};

/** @param types that are taken */
const body = (types: readonly string[]): Refusals => ({
  large_body: bodyTooLarge(),
  other_content_type: contentTypeUnsupported(types),
});

/** What `ClientGuard` refuses. */
export const ON_CLIENT: Refusals = { ...INVALID_CLIENT, ...body(JSON_OR_FORM) };

const NO_REFRESH_TOKEN: Refusals = {
  no_refresh_token: refreshTokenMissing(),
  two_refresh_tokens: refreshTokenSentTwice(),
  no_cookie: new InvalidTokenError('ERR_TOKEN_MISSING'),
};

const IDEMPOTENCY_KEY: Refusals = {
  malformed_key: new InvalidRequestError(
    'ERR_IDEMPOTENCY_KEY_MALFORMED',
    'Idempotency-Key must be 16 to 128 visible ASCII characters',
  ),
  used_key: new InvalidRequestError(
    'ERR_IDEMPOTENCY_KEY_REUSED',
    'This Idempotency-Key was already used to obtain the refresh token it now comes with; draw a new one',
    422,
  ),
};

const INVALID_GRANT: Refusals = { invalid_grant: new InvalidGrantError('ERR_REFRESH_TOKEN_EXPIRED') };

export const ON_REFRESH: Refusals = {
  ...NO_REFRESH_TOKEN,
  ...CARRIER,
  ...COOKIE_ALONE,
  ...IDEMPOTENCY_KEY,
  ...INVALID_GRANT,
  ...INVALID_CLIENT,
  other_session: new SessionMismatchError(),
  ...body(JSON_OR_FORM),
  ...THROTTLED,
  ...UNAVAILABLE,
};

export const ON_LOGOUT: Refusals = {
  ...NO_REFRESH_TOKEN,
  ...CARRIER,
  ...COOKIE_ALONE,
  token_of_another_client: new InvalidGrantError('ERR_REFRESH_TOKEN_CLIENT_MISMATCH'),
  other_session: new SessionMismatchError(),
  ...BAD_ACCESS_TOKEN,
  ...body(JSON_OR_FORM),
  ...THROTTLED,
  ...UNAVAILABLE,
};

export const ON_SESSIONS: Refusals = {
  ...NO_TOKEN,
  ...BAD_ACCESS_TOKEN,
  ...THROTTLED,
  ...UNAVAILABLE,
};

export const ON_SESSION: Refusals = {
  ...ON_SESSIONS,
  unknown_session: new SessionUnknownError(),
};

export const ON_ALL_SESSIONS: Refusals = {
  ...ON_SESSIONS,
  bad_include: malformed('include must be "current", or absent'),
};

export const ON_REVOCATIONS: Refusals = {
  bad_since: malformed('since must be one number of milliseconds, or absent'),
  ...INVALID_SERVICE,
  ...THROTTLED,
  stale: new UnavailableError('ERR_REVOCATIONS_STALE'),
};

export const ON_TOKEN: Refusals = {
  no_grant_type: malformed('grant_type is missing'),
  no_refresh_token: malformed('refresh_token is missing'),
  cookie_carrier: malformed('The refresh token cannot be carried in a cookie here'),
  other_grant_type: new UnsupportedGrantTypeError(),
  wider_scope: new InvalidScopeError(),
  ...IDEMPOTENCY_KEY,
  ...INVALID_GRANT,
  ...INVALID_CLIENT,
  ...body([FORM]),
  ...THROTTLED,
  ...UNAVAILABLE,
};

const ON_ANY_TOKEN: Refusals = {
  no_token: malformed('token is missing'),
  ...body([FORM]),
  ...THROTTLED,
  ...UNAVAILABLE,
};

export const ON_REVOCATION: Refusals = {
  ...ON_ANY_TOKEN,
  ...INVALID_CLIENT,
  token_of_another_client: new InvalidGrantError('ERR_REFRESH_TOKEN_CLIENT_MISMATCH'),
};

export const ON_INTROSPECTION: Refusals = { ...ON_ANY_TOKEN, ...INVALID_SERVICE };
