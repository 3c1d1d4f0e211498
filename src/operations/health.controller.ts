import { Controller, Get } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { HealthCheck, HealthCheckService, type HealthCheckResult } from '@nestjs/terminus';
import { Public, TokenHealth, type HealthReport } from 'nestjs-token-family';

@ApiTags('Operations')
@Controller('health')
@Public()
export class HealthController {
  constructor(
    private readonly health: HealthCheckService,
    private readonly tokens: TokenHealth,
  ) {}

  /** Not by Terminus, which is down while it shuts down: a process that drains lives, and is not to be killed for it. */
  @Get('live')
  @ApiOperation({ summary: 'Tells whether the process lives' })
  @ApiOkResponse({ description: 'It does.', schema: { type: 'object', additionalProperties: true } })
  live(): HealthReport {
    return this.tokens.live();
  }

  @Get('ready')
  @HealthCheck()
  @ApiOperation({ summary: 'Tells whether the node should be sent requests, and why not' })
  ready(): Promise<HealthCheckResult> {
    return this.health.check([() => this.tokens.ready()]);
  }
}
