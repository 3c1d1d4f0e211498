import { Controller, Get } from '@nestjs/common';
import { CurrentUser, RequireScope, type AccessTokenClaims } from 'nestjs-token-family/resource-server';

@Controller('reports')
export class ReportsController {
  @Get()
  @RequireScope('reports:read')
  list(@CurrentUser() { sub, name }: AccessTokenClaims): Record<string, unknown> {
    return { reports: [], for: { sub, name } };
  }
}
