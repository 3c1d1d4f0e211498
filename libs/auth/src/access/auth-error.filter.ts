import { Catch, Inject, Logger, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { throwError, type Observable } from 'rxjs';
import { AuthError, TooManyRequestsError, UnavailableError } from '../core/errors.js';
import { Clock } from '../core/ports.js';
import { AuthHttpException, bodyFor } from './auth-http.exception.js';
import { challengeFor } from './challenge.js';
import { RefusalLog } from './refusal-log.js';
import { rpcErrorFor } from './rpc-error.js';
import { assertSocket, tell } from './socket.js';

/**
 * The one place where errors become answers. The wire tells a client what to do; the log tells an operator what
 * happened.
 *
 * @see RFC 6749 section 5.2, RFC 6750 section 3
 */
@Catch(AuthError, AuthHttpException)
export class AuthErrorFilter implements ExceptionFilter<AuthError | AuthHttpException> {
  readonly #refusals: RefusalLog;

  constructor(
    private readonly adapterHost: HttpAdapterHost,
    @Inject(Clock) clock: Clock,
  ) {
    this.#refusals = new RefusalLog(new Logger('AuthError'), clock);
  }

  catch(thrown: AuthError | AuthHttpException, host: ArgumentsHost): Observable<never> | undefined {
    const exception = thrown instanceof AuthHttpException ? thrown : new AuthHttpException(thrown);
    this.#refusals.add(exception.reason);
    switch (host.getType<string>()) {
      case 'http':
        this.#answer(exception, host.switchToHttp().getResponse<object>());
        return undefined;
      case 'rpc':
        return throwError(() => rpcErrorFor(exception.reason, host.getArgByIndex(1)));
      case 'ws':
        this.#tell(exception, host.switchToWs().getClient<object>());
        return undefined;
      default:
        throw exception;
    }
  }

  #answer(exception: AuthHttpException, response: object): void {
    const { httpAdapter } = this.adapterHost;
    // Of an answer that is under way the rest cannot be taken back.
    if (httpAdapter.isHeadersSent(response)) return;
    for (const [name, value] of headersFor(exception.reason)) httpAdapter.setHeader(response, name, value);
    httpAdapter.reply(response, exception.getResponse(), exception.getStatus());
  }

  /** No filter is global to a gateway: this is for one that names this filter. */
  #tell(exception: AuthHttpException, socket: object): void {
    assertSocket(socket);
    tell(socket, 'exception', bodyFor(exception.reason));
  }
}

/** What goes with the body of an answer, name and value. */
export function* headersFor(error: AuthError): Generator<[string, string]> {
  yield ['Cache-Control', 'no-store'];
  const challenge = challengeFor(error);
  if (challenge !== null) yield ['WWW-Authenticate', challenge];
  if (error instanceof UnavailableError || error instanceof TooManyRequestsError)
    yield ['Retry-After', String(error.retryAfter)];
}
