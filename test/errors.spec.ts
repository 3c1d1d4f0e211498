import { challengeFor } from '../libs/auth/src/access/challenge.js';
import * as errors from '../libs/auth/src/core/errors.js';

const {
  AuthError,
  ConfigError,
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
} = errors;

const INVALID_GRANT = 'The grant is invalid, expired or revoked';
const INVALID_TOKEN = 'The access token is invalid';
const UNAVAILABLE = 'The service cannot answer now; try again';

/** Status, wire word, code and message of one of each class: of two where a code changes what is told. */
const told: [error: errors.AuthError, ...told: [number, errors.WireError, errors.AuthErrorCode, string]][] = [
  [
    new ConfigError(['issuer is missing', 'audience is missing']),
    500,
    'server_error',
    'ERR_CONFIG',
    'AuthModule cannot start:\n  - issuer is missing\n  - audience is missing',
  ],
  [
    new InvalidRequestError('ERR_TOKEN_MISSING', 'Send a token'),
    400,
    'invalid_request',
    'ERR_TOKEN_MISSING',
    'Send a token',
  ],
  [
    new InvalidRequestError('ERR_IDEMPOTENCY_KEY_REUSED', 'Draw a key', 422),
    422,
    'invalid_request',
    'ERR_IDEMPOTENCY_KEY_REUSED',
    'Draw a key',
  ],
  [
    new InvalidCredentialsError('ERR_TOKEN_SENT_TWICE', 'Send it once'),
    400,
    'invalid_request',
    'ERR_TOKEN_SENT_TWICE',
    'Send it once',
  ],
  [
    new SessionMismatchError(),
    409,
    'session_mismatch',
    'ERR_SESSION_MISMATCH',
    'The token belongs to another session',
  ],
  [new SessionUnknownError(), 404, 'not_found', 'ERR_SESSION_UNKNOWN', 'No such session'],
  [
    new InvalidGrantError('ERR_REFRESH_TOKEN_REUSED'),
    400,
    'invalid_grant',
    'ERR_REFRESH_TOKEN_REUSED',
    INVALID_GRANT,
  ],
  [
    new InvalidGrantError('ERR_REFRESH_TOKEN_EXPIRED'),
    400,
    'invalid_grant',
    'ERR_REFRESH_TOKEN_EXPIRED',
    INVALID_GRANT,
  ],
  [
    new InvalidTokenError('ERR_ACCESS_TOKEN_EXPIRED'),
    401,
    'invalid_token',
    'ERR_ACCESS_TOKEN_EXPIRED',
    'The access token expired',
  ],
  [
    new InvalidTokenError('ERR_ACCESS_TOKEN_INVALID'),
    401,
    'invalid_token',
    'ERR_ACCESS_TOKEN_INVALID',
    INVALID_TOKEN,
  ],
  [
    new InvalidTokenError('ERR_ACCESS_TOKEN_REVOKED'),
    401,
    'invalid_token',
    'ERR_ACCESS_TOKEN_REVOKED',
    INVALID_TOKEN,
  ],
  [
    new InsufficientScopeError('read write'),
    403,
    'insufficient_scope',
    'ERR_SCOPE_INSUFFICIENT',
    'The access token does not grant the scope this demands',
  ],
  [
    new InvalidClientError(),
    401,
    'invalid_client',
    'ERR_CLIENT_UNAUTHENTICATED',
    'Client authentication failed',
  ],
  [
    new InvalidScopeError(),
    400,
    'invalid_scope',
    'ERR_SCOPE_EXCEEDED',
    'The scope is malformed, or exceeds what was granted',
  ],
  [
    new UnsupportedGrantTypeError(),
    400,
    'unsupported_grant_type',
    'ERR_GRANT_TYPE_UNSUPPORTED',
    'grant_type must be refresh_token',
  ],
  [
    new TooManyRequestsError(30),
    429,
    'temporarily_unavailable',
    'ERR_TOO_MANY_REQUESTS',
    'Too many requests; try again later',
  ],
  [
    new InsufficientUserAuthenticationError(300),
    401,
    'insufficient_user_authentication',
    'ERR_AUTHENTICATION_TOO_OLD',
    'A more recent authentication is required',
  ],
  [
    new UnavailableError('ERR_STORE_UNAVAILABLE'),
    503,
    'temporarily_unavailable',
    'ERR_STORE_UNAVAILABLE',
    UNAVAILABLE,
  ],
];

describe('what a refusal tells', () => {
  test.each(told.map(([error, ...rest]) => [error.code, error, ...rest] as const))(
    '%s has its status, its wire word and its message',
    (_, error, status, wire, code, message) => {
      expect({
        status: error.status,
        error: error.error,
        code: error.code,
        message: error.message,
      }).toEqual({ status, error: wire, code, message });
    },
  );

  test('options are refused in the name of the module they are for', () => {
    expect(new ConfigError(['one'], 'OtherModule').message).toBe('OtherModule cannot start:\n  - one');
  });

  test('no class is missing above', () => {
    const classes = Object.values(errors).filter((each) => each.prototype instanceof AuthError);
    expect(new Set(told.map(([error]) => error.constructor))).toEqual(new Set(classes));
  });

  test('an error is named after its class, and is an Error', () => {
    for (const [error] of told) {
      expect(error.name).toBe(error.constructor.name);
      expect(error).toBeInstanceOf(Error);
    }
  });
});

describe('what a refusal carries', () => {
  test('a cause is kept beside the message, never in it', () => {
    const cause = new Error('connection to 10.0.0.5 refused');
    for (const error of [
      new InvalidGrantError('ERR_SUBJECT_REFUSED', { cause }),
      new InvalidTokenError('ERR_ACCESS_TOKEN_INVALID', { cause }),
      new UnavailableError('ERR_STORE_UNAVAILABLE', { cause }),
    ]) {
      expect(error.cause).toBe(cause);
      expect(error.message).not.toContain('10.0.0.5');
    }
  });

  test('an outage says when to try again: after a second, if nothing else is known', () => {
    expect(new UnavailableError('ERR_STORE_CONTENDED').retryAfter).toBe(1);
    expect(new UnavailableError('ERR_STORE_CONTENDED', {}, 30).retryAfter).toBe(30);
  });

  test('a client is not challenged unless it is said: a browser would ask its user for a password', () => {
    expect(new InvalidClientError().isChallenged).toBe(false);
    expect(challengeFor(new InvalidClientError())).toBeNull();
    expect(challengeFor(new InvalidClientError(true))).toBe('Basic realm="api", charset="UTF-8"');
  });

  test('a demand that is not met is repeated: the scope, the age, the options', () => {
    expect(new InsufficientScopeError('read write').scope).toBe('read write');
    expect(new InsufficientUserAuthenticationError(300).maxAge).toBe(300);
    expect(new ConfigError(['one', 'other']).faults).toEqual(['one', 'other']);
  });
});
