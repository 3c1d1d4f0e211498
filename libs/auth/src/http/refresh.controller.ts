import { Controller, HttpCode, Inject, Post, Req, Res, UseFilters, UseGuards } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { Public } from '../access/decorators.js';
import { UnavailableError } from '../core/errors.js';
import { ResolvedOptions } from '../core/options.js';
import { TokenService } from '../issuer/token.service.js';
import type { TokenPair } from '../issuer/token-pair.js';
import { AccessTokenVerifier } from '../jwt/verification.js';
import { AuthErrorFilter } from '../access/auth-error.filter.js';
import { carriesBearerToken, readBearerToken } from '../access/bearer.js';
import { findRefreshToken, readRefreshToken } from './carriers.js';
import { CLEARED_COOKIE } from './cookie.js';
import { Rotated, TokenResponse } from './decorators.js';
import type { HttpRequest } from '../access/http-request.js';
import { RefreshGuard } from './refresh.guard.js';
import { TakesRefreshToken } from './takes-refresh-token.js';

@Public()
@UseFilters(AuthErrorFilter)
@Controller()
export class RefreshController {
  constructor(
    private readonly tokens: TokenService,
    private readonly verifier: AccessTokenVerifier,
    private readonly adapterHost: HttpAdapterHost,
    @Inject(ResolvedOptions) private readonly options: ResolvedOptions,
  ) {}

  /** RFC 6749 section 6, in JSON or as a form. */
  @Post('refresh')
  @UseGuards(RefreshGuard)
  @TokenResponse()
  refresh(@Rotated() pair: TokenPair): TokenPair {
    return pair;
  }

  /**
   * Ends the session of the refresh token presented, or else, if that ends none, of the access token beside it.
   *
   * A refresh token that is of no use any more has nothing left to end: 204 all the same, as in RFC 7009.
   */
  @Post('logout')
  @TakesRefreshToken(true)
  @HttpCode(204)
  async logout(@Req() request: HttpRequest, @Res({ passthrough: true }) response: object): Promise<void> {
    const hasBearer = carriesBearerToken(request);
    const presented = hasBearer
      ? findRefreshToken(request, this.options)
      : readRefreshToken(request, this.options);
    const hasEnded = presented !== null && (await this.tokens.revokeToken(presented.token, presented));
    if (!hasEnded && hasBearer) await this.#endByAccessToken(request, presented === null);
    const { httpAdapter } = this.adapterHost;
    httpAdapter.setHeader(response, 'Cache-Control', 'no-store');
    if (presented?.carrier === 'cookie') httpAdapter.appendHeader(response, 'Set-Cookie', CLEARED_COOKIE);
  }

  /** @param isAlone whether there is nothing else that could have said which session to end */
  async #endByAccessToken(request: HttpRequest, isAlone: boolean): Promise<void> {
    let sid: string;
    try {
      ({ sid } = await this.verifier.verify(readBearerToken(request)));
    } catch (error) {
      if (isAlone || error instanceof UnavailableError) throw error;
      return;
    }
    await this.tokens.revoke(sid);
  }
}
