import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { asHttpException } from '../access/auth-http.exception.js';
import { httpRequest } from '../access/http-request.js';
import { ClientAuthentication } from './client-authentication.js';

/** Lets a request pass that comes from one of `resourceServers`, by HTTP Basic; an access token is no credential here. */
@Injectable()
export class ResourceServerGuard implements CanActivate {
  constructor(private readonly clients: ClientAuthentication) {}

  /** @throws {AuthHttpException} for an InvalidClientError, whatever is missing or wrong */
  canActivate(context: ExecutionContext): true {
    try {
      this.clients.authenticateResourceServer(httpRequest(context));
      return true;
    } catch (error) {
      throw asHttpException(error);
    }
  }
}
