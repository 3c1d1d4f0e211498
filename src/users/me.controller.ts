import { Controller, Get, Header, UseGuards } from '@nestjs/common';
import { AccessGuard, CurrentUser, type AccessTokenClaims } from 'nestjs-token-family';

@Controller('me')
@UseGuards(AccessGuard)
export class MeController {
  @Get()
  @Header('Cache-Control', 'no-store')
  me(@CurrentUser() { sub, sid, name, iat, exp }: AccessTokenClaims): Record<string, unknown> {
    return { sub, sid, name, iat, exp };
  }
}
