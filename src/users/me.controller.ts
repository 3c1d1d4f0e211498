import { Controller, Get, Header, UseGuards } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProperty, ApiTags } from '@nestjs/swagger';
import { AccessGuard, CurrentUser, type AccessTokenClaims } from 'nestjs-token-family';
import { ApiAccess } from 'nestjs-token-family/openapi';

class Me {
  @ApiProperty({ type: 'string' })
  readonly sub!: string;

  @ApiProperty({ type: 'string', format: 'uuid' })
  readonly sid!: string;

  @ApiProperty({ type: 'string', example: 'alice' })
  readonly name!: string;

  @ApiProperty({ type: 'integer' })
  readonly iat!: number;

  @ApiProperty({ type: 'integer' })
  readonly exp!: number;
}

@ApiTags('Demo')
@ApiAccess()
@Controller('me')
@UseGuards(AccessGuard)
export class MeController {
  @Get()
  @Header('Cache-Control', 'no-store')
  @ApiOperation({ summary: 'Tells who the access token is of' })
  @ApiOkResponse({ description: 'Claims of the access token; times in seconds since the epoch.', type: Me })
  me(@CurrentUser() { sub, sid, name, iat, exp }: AccessTokenClaims): Record<string, unknown> {
    return { sub, sid, name, iat, exp };
  }
}
