import { Controller, Get } from '@nestjs/common';
import { HealthCheck, HealthCheckService, type HealthCheckResult } from '@nestjs/terminus';
import { Public, TokenHealth, type HealthReport } from 'nestjs-token-family';

@Controller('health')
@Public()
export class HealthController {
  constructor(
    private readonly health: HealthCheckService,
    private readonly tokens: TokenHealth,
  ) {}

  /** Not by Terminus, which is down while it shuts down: a process that drains lives, and is not to be killed for it. */
  @Get('live')
  live(): HealthReport {
    return this.tokens.live();
  }

  @Get('ready')
  @HealthCheck()
  ready(): Promise<HealthCheckResult> {
    return this.health.check([() => this.tokens.ready()]);
  }
}
