import { Controller, Header, HttpCode, Post, Req, UseFilters } from '@nestjs/common';
import { AuthErrorFilter } from '../access/auth-error.filter.js';
import { Public } from '../access/decorators.js';
import type { HttpRequest } from '../access/http-request.js';
import { InvalidGrantError } from '../core/errors.js';
import { ClientAuthentication } from '../http/client-authentication.js';
import { TakesClientSecret } from '../http/takes-client-secret.js';
import { TakesRefreshToken } from '../http/takes-refresh-token.js';
import { TokenService } from '../issuer/token.service.js';
import { parameter, readForm, required } from './parameters.js';

/**
 * RFC 7009: ends the session of a token, whichever of its tokens it is. What is no token, or none any more, has nothing to
 * end: 200 all the same.
 */
@Public()
@UseFilters(AuthErrorFilter)
@Controller()
export class TokenRevocationController {
  constructor(
    private readonly tokens: TokenService,
    private readonly clients: ClientAuthentication,
  ) {}

  @Post('revoke')
  @TakesClientSecret(true)
  @TakesRefreshToken(true)
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  async revoke(@Req() request: HttpRequest): Promise<void> {
    const form = readForm(request);
    const client = this.clients.authenticate(request, form);
    const token = required(form, 'token');
    // Nothing is looked for by it: a token says itself what it is.
    parameter(form, 'token_type_hint');
    try {
      await this.tokens.revokeToken(token, { clientId: client.id });
    } catch (error) {
      // Whoever has not proved to be a client learns nothing of what belongs to another one.
      if (client.isConfidential || !(error instanceof InvalidGrantError)) throw error;
    }
  }
}
