import { Controller, Header, HttpCode, Post, Req, UseFilters } from '@nestjs/common';
import { AuthErrorFilter } from '../access/auth-error.filter.js';
import { Public } from '../access/decorators.js';
import type { HttpRequest } from '../access/http-request.js';
import { ClientAuthentication, type Introspector } from '../http/client-authentication.js';
import { TakesClientSecret } from '../http/takes-client-secret.js';
import type { Introspection } from '../issuer/introspection.js';
import { TokenService } from '../issuer/token.service.js';
import { parameter, readForm, required } from './parameters.js';

/**
 * RFC 7662, for resource servers, which may ask about any access token, and confidential clients, which may ask about
 * tokens of their own.
 */
@Public()
@UseFilters(AuthErrorFilter)
@Controller()
export class IntrospectionController {
  constructor(
    private readonly tokens: TokenService,
    private readonly clients: ClientAuthentication,
  ) {}

  @Post('introspect')
  @TakesClientSecret(true)
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  async introspect(@Req() request: HttpRequest): Promise<Introspection> {
    const form = readForm(request);
    const introspector = this.clients.authenticateIntrospector(request, form);
    const token = required(form, 'token');
    parameter(form, 'token_type_hint');
    const introspection = await this.tokens.introspect(token);
    return isFor(introspector, introspection) ? introspection : { active: false };
  }
}

/** No resource server may accept a refresh token, so for all of them it is none. */
function isFor({ isResourceServer, clientId }: Introspector, introspection: Introspection): boolean {
  if (!introspection.active || introspection.client_id === clientId) return true;
  return isResourceServer && introspection.token_use === 'access_token';
}
