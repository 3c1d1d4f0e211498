import type { Metric, MetricSource } from '../core/metrics.js';

/**
 * The figures of this node: refreshes, the guard's outcomes, revocations and how fresh they are, the pool.
 *
 * They are kept as integers and read when somebody asks. `nestjs-token-family/prometheus` and
 * `nestjs-token-family/opentelemetry` hand them on; for any other monitoring, `read` is all there is to know.
 */
export class TokenMetrics implements MetricSource {
  constructor(private readonly sources: readonly MetricSource[]) {}

  /**
   * @returns always the same metrics, each with its samples of this moment; their number is bounded. No label names a
   * subject, a session, a token or a key
   */
  read(): Metric[] {
    return this.sources.flatMap((source) => source.read());
  }
}
