import { Inject, Injectable, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { AuthGuard } from '@nestjs/passport';
import type { AccessTokenClaims } from '../core/access-token.js';
import { AuthError, InvalidTokenError } from '../core/errors.js';
import { RevocationCheck } from '../core/ports.js';
import { AccessTokenStrategy } from './access-token.strategy.js';
import { asHttpException } from './auth-http.exception.js';
import { PUBLIC } from './decorators.js';
import type { HttpRequest } from './http-request.js';

/**
 * Lets a request pass that carries a good access token of a session nobody has revoked; `request.user` is then
 * its claims, frozen.
 *
 * Needs no database. Every step is a protected method, for subclasses. A context it does not know is refused.
 */
@Injectable()
export class AccessGuard extends AuthGuard() {
  constructor(
    strategy: AccessTokenStrategy,
    @Inject(Reflector) private readonly reflector: Reflector,
    @Inject(RevocationCheck) private readonly revocations: RevocationCheck,
  ) {
    super({ defaultStrategy: strategy });
    // The base class would have Nest replace its options by those of any PassportModule in sight, and with them the
    // strategy by whatever another one calls its default.
    const options = Object.freeze({ defaultStrategy: strategy });
    Object.defineProperty(this, 'options', { get: () => options, set: () => {} });
  }

  /**
   * @throws {AuthHttpException} for one of these reasons:
   * @throws {InvalidTokenError} missing, invalid, expired or revoked
   * @throws {InvalidRequestError} a malformed Authorization header
   * @throws {UnavailableError} it cannot be told whether the session was revoked
   */
  override async canActivate(context: ExecutionContext): Promise<boolean> {
    if (this.isPublic(context)) return true;
    try {
      if (!this.isSupported(context)) throw new InvalidTokenError('ERR_CONTEXT_UNKNOWN');
      await super.canActivate(context);
      this.checkRevocation(this.getClaims(context));
      return true;
    } catch (error) {
      throw asHttpException(error);
    }
  }

  protected isPublic(context: ExecutionContext): boolean {
    const targets = [context.getHandler(), context.getClass()];
    return this.reflector.getAllAndOverride<boolean | undefined>(PUBLIC, targets) ?? false;
  }

  protected isSupported(context: ExecutionContext): boolean {
    return context.getType() === 'http';
  }

  protected getClaims(context: ExecutionContext): AccessTokenClaims {
    return (this.getRequest(context) as HttpRequest & { user: AccessTokenClaims }).user;
  }

  protected checkRevocation(claims: AccessTokenClaims): void {
    if (this.revocations.isRevoked(claims.sid)) throw new InvalidTokenError('ERR_ACCESS_TOKEN_REVOKED');
  }

  /** Called by passport's guard: turns every outcome but a verified token into one of our errors. */
  override handleRequest<T>(error: unknown, user: T | false | null, info: unknown): T {
    if (user && !error) return user;
    const known = [error, info].find((reason) => reason instanceof AuthError);
    throw known ?? new InvalidTokenError('ERR_ACCESS_TOKEN_INVALID', { cause: error ?? info });
  }
}
