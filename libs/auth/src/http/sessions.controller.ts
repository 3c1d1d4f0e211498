import {
  Controller,
  Delete,
  Get,
  Header,
  HttpCode,
  Inject,
  Param,
  Query,
  Req,
  Res,
  UseFilters,
  UseGuards,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { CurrentUser } from '../access/decorators.js';
import type { HttpRequest } from '../access/http-request.js';
import type { AccessTokenClaims } from '../core/access-token.js';
import { InvalidRequestError, SessionUnknownError } from '../core/errors.js';
import type { Device } from '../core/family.js';
import { ResolvedOptions } from '../core/options.js';
import { RefreshTokenCodec } from '../core/refresh-token.js';
import type { Session } from '../issuer/session.js';
import { TokenService } from '../issuer/token.service.js';
import { AccessGuard } from '../access/access.guard.js';
import { AuthErrorFilter } from '../access/auth-error.filter.js';
import { carrierOf } from './carriers.js';
import { CLEARED_COOKIE, readCookie } from './cookie.js';

export interface SessionBody {
  readonly sid: string;
  readonly current: boolean;
  readonly issued_at: string;
  /** absent for the current session: it would tell a thief who reads the list when the victim refreshed */
  readonly last_used_at?: string;
  readonly expires_at: string;
  readonly device: Device | null;
}

/** A subject's own sessions; another's are as unknown as those that never were. */
@Controller('sessions')
@UseGuards(AccessGuard)
@UseFilters(AuthErrorFilter)
export class SessionsController {
  constructor(
    private readonly tokens: TokenService,
    private readonly codec: RefreshTokenCodec,
    private readonly adapterHost: HttpAdapterHost,
    @Inject(ResolvedOptions) private readonly options: ResolvedOptions,
  ) {}

  @Get()
  @Header('Cache-Control', 'no-store')
  async list(@CurrentUser() user: AccessTokenClaims): Promise<SessionBody[]> {
    return (await this.tokens.sessions(user.sub)).map((session) => toBody(session, user.sid));
  }

  @Delete(':sid')
  @HttpCode(204)
  async end(
    @CurrentUser() user: AccessTokenClaims,
    @Param('sid') sid: string,
    @Req() request: HttpRequest,
    @Res({ passthrough: true }) response: object,
  ): Promise<void> {
    const carried = this.#carriedSid(request);
    if (!(await this.tokens.revoke(sid, { subject: user.sub }))) throw new SessionUnknownError();
    if (carried === sid.toLowerCase()) this.#clearCookie(response);
  }

  @Delete()
  @HttpCode(204)
  async endOthers(
    @CurrentUser() user: AccessTokenClaims,
    @Req() request: HttpRequest,
    @Res({ passthrough: true }) response: object,
    @Query('include') include?: unknown,
  ): Promise<void> {
    if (include !== undefined && include !== 'current') {
      throw new InvalidRequestError('ERR_REQUEST_MALFORMED', 'include must be "current", or absent');
    }
    const carried = this.#carriedSid(request);
    await this.tokens.revokeAll(user.sub, include === 'current' ? {} : { except: user.sid });
    if (include === 'current' && carried === user.sid) this.#clearCookie(response);
  }

  /**
   * Which session's token a browser keeps: that of another one must not go with the one that ends.
   *
   * Null for a cookie that may not be used, too. What ends a session is the access token: no cookie, which somebody else may
   * have set, stands in its way.
   */
  #carriedSid(request: HttpRequest): string | null {
    try {
      const cookie = carrierOf(request, this.options) === 'cookie' ? readCookie(request) : null;
      return cookie && this.codec.decode(cookie.token).familyId;
    } catch {
      return null;
    }
  }

  #clearCookie(response: object): void {
    this.adapterHost.httpAdapter.appendHeader(response, 'Set-Cookie', CLEARED_COOKIE);
  }
}

function toBody({ sid, issuedAt, lastUsedAt, expiresAt, device }: Session, currentSid: string): SessionBody {
  const current = sid === currentSid;
  return {
    sid,
    current,
    issued_at: issuedAt.toISOString(),
    ...(!current && { last_used_at: lastUsedAt.toISOString() }),
    expires_at: expiresAt.toISOString(),
    device,
  };
}
