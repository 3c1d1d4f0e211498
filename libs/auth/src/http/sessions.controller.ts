import {
  Controller,
  Delete,
  Get,
  Header,
  HttpCode,
  Param,
  Query,
  UseFilters,
  UseGuards,
} from '@nestjs/common';
import { CurrentUser } from '../access/decorators.js';
import type { AccessTokenClaims } from '../core/access-token.js';
import { InvalidRequestError, SessionUnknownError } from '../core/errors.js';
import type { Device } from '../core/family.js';
import type { Session } from '../issuer/session.js';
import { TokenService } from '../issuer/token.service.js';
import { AccessGuard } from '../access/access.guard.js';
import { AuthErrorFilter } from '../access/auth-error.filter.js';

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
  constructor(private readonly tokens: TokenService) {}

  @Get()
  @Header('Cache-Control', 'no-store')
  async list(@CurrentUser() user: AccessTokenClaims): Promise<SessionBody[]> {
    return (await this.tokens.sessions(user.sub)).map((session) => toBody(session, user.sid));
  }

  @Delete(':sid')
  @HttpCode(204)
  async end(@CurrentUser() user: AccessTokenClaims, @Param('sid') sid: string): Promise<void> {
    if (!(await this.tokens.revoke(sid, { subject: user.sub }))) throw new SessionUnknownError();
  }

  @Delete()
  @HttpCode(204)
  async endOthers(
    @CurrentUser() user: AccessTokenClaims,
    @Query('include') include?: unknown,
  ): Promise<void> {
    if (include !== undefined && include !== 'current') {
      throw new InvalidRequestError('ERR_REQUEST_MALFORMED', 'include must be "current", or absent');
    }
    await this.tokens.revokeAll(user.sub, include === 'current' ? {} : { except: user.sid });
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
