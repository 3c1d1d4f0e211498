import { applyDecorators } from '@nestjs/common';
import { ApiConsumes, ApiSecurity } from '@nestjs/swagger';
import { JSON_OR_FORM } from '../http/request-body.js';
import { ApiRefusals } from './answers.js';
import { ON_CLIENT } from './refusals.js';
import { CLIENT, NOTHING } from './security.js';

/**
 * Describes a handler with `ClientGuard`, such as the login of an application that has clients: how a client authenticates,
 * and what is refused, with an example of each. `client_id` and `client_secret` are fields of the handler's own body.
 *
 * @see RFC 6749 section 2.3
 */
export const ApiClient = (): MethodDecorator =>
  applyDecorators(
    ApiSecurity(NOTHING),
    ApiSecurity(CLIENT),
    ApiConsumes(...JSON_OR_FORM),
    ApiRefusals(ON_CLIENT, { isShared: true }),
  );
