import { Controller, Header, HttpCode, Inject, Post, Req, UseFilters } from '@nestjs/common';
import { AuthErrorFilter } from '../access/auth-error.filter.js';
import { Public } from '../access/decorators.js';
import type { HttpRequest } from '../access/http-request.js';
import { UnsupportedGrantTypeError } from '../core/errors.js';
import { ResolvedOptions } from '../core/options.js';
import { Clock } from '../core/ports.js';
import { readIdempotencyKey } from '../http/carriers.js';
import { ClientAuthentication } from '../http/client-authentication.js';
import { refusingEvenly } from '../http/even-refusals.js';
import { malformed } from '../http/request-body.js';
import { toBody, type TokenResponseBody } from '../http/token-response.js';
import { TakesClientSecret } from '../http/takes-client-secret.js';
import { TakesRefreshToken } from '../http/takes-refresh-token.js';
import { TokenService } from '../issuer/token.service.js';
import { parameter, readForm, required } from './parameters.js';

/** RFC 6749 section 6: a refresh by a standard client. Cookies are neither read nor written here. */
@Public()
@UseFilters(AuthErrorFilter)
@Controller()
export class TokenController {
  constructor(
    private readonly tokens: TokenService,
    private readonly clients: ClientAuthentication,
    @Inject(ResolvedOptions) private readonly options: ResolvedOptions,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  @Post('token')
  @TakesClientSecret(true)
  @TakesRefreshToken(true)
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  @Header('Pragma', 'no-cache')
  async token(@Req() request: HttpRequest): Promise<TokenResponseBody> {
    const receivedAt = this.clock.monotonic();
    const form = readForm(request);
    const { id: clientId } = this.clients.authenticate(request, form);
    this.#refuseCookies(request);
    if (required(form, 'grant_type') !== 'refresh_token') throw new UnsupportedGrantTypeError();
    const refreshToken = required(form, 'refresh_token');
    const scope = parameter(form, 'scope');
    const idempotencyKey = readIdempotencyKey(request);
    const options = { clientId, scope, idempotencyKey, receivedAt };
    const pair = await refusingEvenly(() => this.tokens.rotate(refreshToken, options));
    return toBody(pair, { refresh_token: pair.refreshToken });
  }

  /**
   * Who wants a cookie is told, rather than given a token where it does not expect one; and an application that has
   * its tokens in cookies alone hands out none in a body here either.
   */
  #refuseCookies({ headers }: HttpRequest): void {
    if (this.options.refreshToken.carrier === 'cookie') {
      throw malformed('This issuer hands out refresh tokens in cookies alone, at its own refresh route');
    }
    if ((headers['x-token-carrier'] ?? 'body') !== 'body') {
      throw malformed('The refresh token cannot be carried in a cookie here');
    }
  }
}
