import { Inject, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { InvalidTokenError } from '../core/errors.js';
import { ResolvedOptions } from '../core/options.js';
import { Clock } from '../core/ports.js';
import { TokenService } from '../issuer/token.service.js';
import { asHttpException } from './auth-http.exception.js';
import { readRefreshToken } from './carriers.js';
import { rememberPresented, rememberRotation } from './exchange.js';
import { httpRequest } from './http-request.js';

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
    @Inject(ResolvedOptions) private readonly options: ResolvedOptions,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  /**
   * @throws {AuthHttpException} around whatever `TokenService.rotate` throws, or
   * @throws {InvalidRequestError} no refresh token, a malformed one, or two
   */
  async canActivate(context: ExecutionContext): Promise<boolean> {
    const receivedAt = this.clock.monotonic();
    try {
      if (context.getType() !== 'http') throw new InvalidTokenError('ERR_CONTEXT_UNKNOWN');
      const request = httpRequest(context);
      const presented = readRefreshToken(request, this.options.refreshToken.carrier);
      rememberPresented(request, presented);
      rememberRotation(request, await this.tokens.rotate(presented.token, { ...presented, receivedAt }));
      return true;
    } catch (error) {
      throw asHttpException(error);
    }
  }
}
