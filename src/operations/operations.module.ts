import { Module, type DynamicModule } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { HealthController } from './health.controller.js';
import { MetricsController } from './metrics.controller.js';

/** What a load balancer and a Prometheus ask of a node. */
@Module({})
export class OperationsModule {
  /** @param drainDelay seconds from SIGTERM, when the node is no longer ready, until it stops listening */
  static create(drainDelay: number): DynamicModule {
    return {
      module: OperationsModule,
      imports: [TerminusModule.forRoot({ gracefulShutdownTimeoutMs: drainDelay * 1000, logger: false })],
      controllers: [HealthController, MetricsController],
    };
  }
}
