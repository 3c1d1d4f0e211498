import { applyDecorators } from '@nestjs/common';
import { ApiHeader, ApiResponse } from '@nestjs/swagger';
import { ApiRefusals } from './answers.js';
import { CARRIER, NO_STORE, SET_COOKIE } from './headers.js';
import { TokenResponseModel } from './models.js';
import { ON_LOGIN } from './refusals.js';

/**
 * Describes a handler with `@TokenResponse()`, such as a login: the token response in both carriers, the header that
 * chooses, and what is refused, with an example of each. What the handler itself refuses is added by an `ApiResponse()`
 * below this one.
 *
 * @see RFC 6749 section 5.1
 */
export const ApiTokenResponse = (): MethodDecorator =>
  applyDecorators(
    ApiHeader(CARRIER),
    ApiResponse({
      status: 200,
      description: 'A new session.',
      type: TokenResponseModel,
      headers: { ...NO_STORE, ...SET_COOKIE },
    }),
    ApiRefusals(ON_LOGIN, { isShared: true }),
  );
