import { Controller, HttpCode, Inject, Post, Req, Res, UseFilters, UseGuards } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { Public } from '../access/decorators.js';
import { SessionMismatchError, UnavailableError } from '../core/errors.js';
import { ResolvedOptions } from '../core/options.js';
import { TokenService } from '../issuer/token.service.js';
import type { TokenPair } from '../issuer/token-pair.js';
import { AccessTokenVerifier } from '../jwt/verification.js';
import { AuthErrorFilter } from '../access/auth-error.filter.js';
import { carriesBearerToken, readBearerToken } from '../access/bearer.js';
import { findRefreshToken, readRefreshToken, readSid, type PresentedToken } from './carriers.js';
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
   * Where the request names the `sid` it means, a token of another session ends nothing, and its cookie stays: 409, if no
   * token is left that may. A refresh token that is of no use any more has nothing left to end: 204 all the same, as in
   * RFC 7009.
   */
  @Post('logout')
  @TakesRefreshToken(true)
  @HttpCode(204)
  async logout(@Req() request: HttpRequest, @Res({ passthrough: true }) response: object): Promise<void> {
    const hasBearer = carriesBearerToken(request);
    const presented = hasBearer
      ? findRefreshToken(request, this.options)
      : readRefreshToken(request, this.options);
    const outcome = presented ? await this.#endByRefreshToken(presented) : 'nothing';
    if (outcome === 'mismatch' && !hasBearer) throw new SessionMismatchError();
    if (outcome !== 'ended' && hasBearer) await this.#endByAccessToken(request, presented && outcome);
    const { httpAdapter } = this.adapterHost;
    httpAdapter.setHeader(response, 'Cache-Control', 'no-store');
    if (presented?.carrier === 'cookie' && outcome !== 'mismatch')
      httpAdapter.appendHeader(response, 'Set-Cookie', CLEARED_COOKIE);
  }

  async #endByRefreshToken(presented: PresentedToken): Promise<'ended' | 'nothing' | 'mismatch'> {
    try {
      return (await this.tokens.revokeToken(presented.token, presented)) ? 'ended' : 'nothing';
    } catch (error) {
      if (error instanceof SessionMismatchError) return 'mismatch';
      throw error;
    }
  }

  /** @param before what the refresh token beside it came to; null when there is none */
  async #endByAccessToken(request: HttpRequest, before: 'nothing' | 'mismatch' | null): Promise<void> {
    let sid: string;
    try {
      ({ sid } = await this.verifier.verify(readBearerToken(request)));
    } catch (error) {
      if (before === null || error instanceof UnavailableError) throw error;
      if (before === 'mismatch') throw new SessionMismatchError();
      return;
    }
    const meant = readSid(request);
    if (meant !== undefined && meant !== sid) throw new SessionMismatchError();
    await this.tokens.revoke(sid);
  }
}
