import {
  applyDecorators,
  createParamDecorator,
  HttpCode,
  UseInterceptors,
  type ExecutionContext,
} from '@nestjs/common';
import { httpRequest } from '../access/http-request.js';
import { rotationOf } from './exchange.js';
import { TokenResponseInterceptor } from './token-response.interceptor.js';

/** The `TokenPair` that `RefreshGuard` has just obtained. */
export const Rotated = createParamDecorator((_: unknown, context: ExecutionContext) =>
  rotationOf(httpRequest(context)),
);

/**
 * For a handler that returns a `TokenPair`: answers as RFC 6749 section 5.1 says, with the refresh token in the
 * carrier the client asked for.
 */
export const TokenResponse = () => applyDecorators(HttpCode(200), UseInterceptors(TokenResponseInterceptor));
