import {
  applyDecorators,
  createParamDecorator,
  HttpCode,
  SetMetadata,
  UseInterceptors,
  type ExecutionContext,
} from '@nestjs/common';
import type { AccessTokenClaims } from '../core/access-token.js';
import { rotationOf } from './exchange.js';
import { httpRequest } from './http-request.js';
import { TokenResponseInterceptor } from './token-response.interceptor.js';

export const PUBLIC = Symbol('token-family:public');

/** Opens a route, or every route of a controller, to requests without an access token. */
export const Public = () => SetMetadata(PUBLIC, true);

/** The claims `AccessGuard` verified; `undefined` where it did not run. */
export const CurrentUser = createParamDecorator((_: unknown, context: ExecutionContext) => claimsOf(context));

/** The session (`sid`) of the access token; `undefined` where `AccessGuard` did not run. */
export const CurrentSession = createParamDecorator(
  (_: unknown, context: ExecutionContext) => claimsOf(context)?.sid,
);

/** The `TokenPair` that `RefreshGuard` has just obtained. */
export const Rotated = createParamDecorator((_: unknown, context: ExecutionContext) =>
  rotationOf(httpRequest(context)),
);

/**
 * For a handler that returns a `TokenPair`: answers as RFC 6749 section 5.1 says, with the refresh token in the
 * carrier the client asked for.
 */
export const TokenResponse = () => applyDecorators(HttpCode(200), UseInterceptors(TokenResponseInterceptor));

function claimsOf(context: ExecutionContext): AccessTokenClaims | undefined {
  return context.switchToHttp().getRequest<{ user?: AccessTokenClaims }>().user;
}
