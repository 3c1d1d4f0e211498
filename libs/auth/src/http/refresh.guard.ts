import { Inject, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { InvalidGrantError, InvalidTokenError, type AuthErrorCode } from '../core/errors.js';
import { ResolvedOptions } from '../core/options.js';
import { Clock } from '../core/ports.js';
import { TokenService } from '../issuer/token.service.js';
import { asHttpException } from '../access/auth-http.exception.js';
import { readRefreshToken } from './carriers.js';
import { ClientAuthentication } from './client-authentication.js';
import { CLEARED_COOKIE } from './cookie.js';
import { refusingEvenly } from './even-refusals.js';
import { presentedBy, rememberClient, rememberPresented, rememberRotation } from './exchange.js';
import { httpRequest, type HttpRequest } from '../access/http-request.js';

/**
 * A refresh guard that lets you through has already rotated: spending is authenticating. `@Rotated()` is the new
 * pair, and the handler has to hand it out.
 *
 * A guard that only looked, before a handler that spends, would leave a gap between the two.
 */
@Injectable()
export class RefreshGuard implements CanActivate {
  constructor(
    private readonly tokens: TokenService,
    private readonly clients: ClientAuthentication,
    private readonly adapterHost: HttpAdapterHost,
    @Inject(ResolvedOptions) private readonly options: ResolvedOptions,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  /**
   * @throws {AuthHttpException} around whatever `TokenService.rotate` throws, or
   * @throws {InvalidRequestError} no refresh token, a malformed one, two, or one that this page may not send
   * @throws {InvalidClientError} the client is unknown, or has a secret and did not prove it: nothing is spent
   */
  async canActivate(context: ExecutionContext): Promise<boolean> {
    const receivedAt = this.clock.monotonic();
    try {
      if (context.getType() !== 'http') throw new InvalidTokenError('ERR_CONTEXT_UNKNOWN');
      await refusingEvenly(() => this.#spend(httpRequest(context), receivedAt));
      return true;
    } catch (error) {
      this.#clearCookie(context, error);
      throw asHttpException(error);
    }
  }

  async #spend(request: HttpRequest, receivedAt: number): Promise<void> {
    const presented = readRefreshToken(request, this.options);
    rememberPresented(request, presented);
    // Before anything is spent: else a confidential client's token could be refreshed here by whoever stole it.
    const client = this.clients.identify(request, presented.fields);
    rememberClient(request, client);
    const { idempotencyKey, sid } = presented;
    const options = { clientId: client.id, idempotencyKey, sid, receivedAt };
    rememberRotation(request, await this.tokens.rotate(presented.token, options));
  }

  /** The token in it is of no use any more, and would be sent for as long as it stays. */
  #clearCookie(context: ExecutionContext, error: unknown): void {
    if (!isDefiniteEnd(error) || presentedBy(httpRequest(context))?.carrier !== 'cookie') return;
    const response = context.switchToHttp().getResponse<object>();
    this.adapterHost.httpAdapter.appendHeader(response, 'Set-Cookie', CLEARED_COOKIE);
  }
}

const FAMILY_LIVES = new Set<AuthErrorCode>(['ERR_REFRESH_TOKEN_CLIENT_MISMATCH', 'ERR_REFRESH_TOKEN_AHEAD']);

/** Only that takes the cookie away: busy, broken, malformed or sent by the wrong client must not log anybody out. */
function isDefiniteEnd(error: unknown): boolean {
  return error instanceof InvalidGrantError && !FAMILY_LIVES.has(error.code);
}
