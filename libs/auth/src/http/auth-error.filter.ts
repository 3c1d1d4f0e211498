import { Catch, Logger, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import {
  AuthError,
  InvalidGrantError,
  InvalidTokenError,
  UnavailableError,
  type AuthErrorCode,
} from '../core/errors.js';
import { AuthHttpException, isMissingToken } from './auth-http.exception.js';
import { CLEARED_COOKIE } from './cookie.js';
import { presentedBy } from './exchange.js';
import type { HttpRequest } from './http-request.js';

const REALM = 'api';

/**
 * The one place where errors become answers. The wire tells a client what to do; the log tells an operator what
 * happened.
 *
 * @see RFC 6749 section 5.2, RFC 6750 section 3
 */
@Catch(AuthError, AuthHttpException)
export class AuthErrorFilter implements ExceptionFilter<AuthError | AuthHttpException> {
  readonly #logger = new Logger('AuthError');

  constructor(private readonly adapterHost: HttpAdapterHost) {}

  catch(thrown: AuthError | AuthHttpException, host: ArgumentsHost): void {
    if (host.getType() !== 'http') throw thrown;
    const exception = thrown instanceof AuthHttpException ? thrown : new AuthHttpException(thrown);
    const error = exception.reason;
    const { httpAdapter } = this.adapterHost;
    const request = host.switchToHttp().getRequest<HttpRequest>();
    const response = host.switchToHttp().getResponse<object>();
    this.#log(error);
    for (const [name, value] of headersFor(error)) httpAdapter.setHeader(response, name, value);
    if (isDefiniteEnd(error) && presentedBy(request)?.carrier === 'cookie') {
      httpAdapter.appendHeader(response, 'Set-Cookie', CLEARED_COOKIE);
    }
    httpAdapter.reply(response, exception.getResponse(), error.status);
  }

  #log(error: AuthError): void {
    const cause = error.cause instanceof Error ? `: ${error.cause.message}` : '';
    // A stranger can ask for a key nobody has; that must not fill a log of errors.
    const isOutage = error instanceof UnavailableError && error.code !== 'ERR_REFRESH_TOKEN_KEY_UNKNOWN';
    if (isOutage) this.#logger.error(error.code + cause);
    else this.#logger.debug(error.code);
  }
}

const FAMILY_LIVES = new Set<AuthErrorCode>(['ERR_REFRESH_TOKEN_CLIENT_MISMATCH', 'ERR_REFRESH_TOKEN_AHEAD']);

/** Only that takes the cookie away: busy, broken, malformed or sent by the wrong client must not log anybody out. */
function isDefiniteEnd(error: AuthError): boolean {
  return error instanceof InvalidGrantError && !FAMILY_LIVES.has(error.code);
}

function* headersFor(error: AuthError): Generator<[string, string]> {
  yield ['Cache-Control', 'no-store'];
  if (error instanceof InvalidTokenError) yield ['WWW-Authenticate', challengeFor(error)];
  if (error instanceof UnavailableError) yield ['Retry-After', String(error.retryAfter)];
}

function challengeFor(error: InvalidTokenError): string {
  const challenge = `Bearer realm="${REALM}"`;
  return isMissingToken(error)
    ? challenge
    : `${challenge}, error="${error.error}", error_description="${error.message}"`;
}
