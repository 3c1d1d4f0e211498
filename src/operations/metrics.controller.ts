import { Controller, Get, Header } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import { Registry } from 'prom-client';
import { Public, TokenMetrics } from 'nestjs-token-family';
import { registerTokenMetrics } from 'nestjs-token-family/prometheus';

/** In a company, this is reachable from inside only. */
@ApiTags('Operations')
@Controller('metrics')
@Public()
export class MetricsController {
  /** One of its own: two applications in one process, as in tests, do not meet in it. */
  readonly #registry = new Registry();

  constructor(metrics: TokenMetrics) {
    registerTokenMetrics(metrics, this.#registry);
  }

  @Get()
  @Header('Content-Type', Registry.PROMETHEUS_CONTENT_TYPE)
  @Header('Cache-Control', 'no-store')
  @ApiOperation({ summary: 'Tells Prometheus what the node has done' })
  @ApiProduces('text/plain')
  @ApiOkResponse({ description: 'The text format of Prometheus.', schema: { type: 'string' } })
  scrape(): Promise<string> {
    return this.#registry.metrics();
  }
}
