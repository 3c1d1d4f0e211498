import { createParamDecorator, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { asHttpException } from '../access/auth-http.exception.js';
import { httpRequest } from '../access/http-request.js';
import { InvalidTokenError } from '../core/errors.js';
import { ClientAuthentication, type Client } from './client-authentication.js';
import { clientOf, rememberClient } from './exchange.js';
import { JSON_OR_FORM, readFields } from './request-body.js';

/**
 * For a login of the application's own: lets a request pass whose client is known, and authenticated if it has a secret.
 * `@CurrentClient()` is then that client, for `TokenService.issue`.
 *
 * A client names itself by HTTP Basic, or by `client_id` and `client_secret` in the body, which has to be JSON or a form of
 * 8,192 bytes at most. A request that names none comes from the module's `clientId`.
 */
@Injectable()
export class ClientGuard implements CanActivate {
  constructor(private readonly clients: ClientAuthentication) {}

  /**
   * @throws {AuthHttpException} for one of these reasons:
   * @throws {InvalidClientError} an unknown client, a confidential one without its secret, a public one with any
   * @throws {InvalidRequestError} a malformed body, two ways of authentication in one request, or two clients
   * @see RFC 6749 section 2.3
   */
  canActivate(context: ExecutionContext): true {
    try {
      if (context.getType() !== 'http') throw new InvalidTokenError('ERR_CONTEXT_UNKNOWN');
      const request = httpRequest(context);
      rememberClient(request, this.clients.identify(request, readFields(request, JSON_OR_FORM)));
      return true;
    } catch (error) {
      throw asHttpException(error);
    }
  }
}

/** The `Client` that `ClientGuard`, or `RefreshGuard`, has found the request to come from. */
export const CurrentClient = createParamDecorator(
  (_: unknown, context: ExecutionContext): Client | undefined => clientOf(httpRequest(context)),
);
