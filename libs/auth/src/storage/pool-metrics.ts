import type { Pool } from 'pg';
import type { DataSource } from 'typeorm';
import { single, type Metric, type MetricSource } from '../core/metrics.js';
import { poolOf } from './primary-connection.js';
import { waitsFor } from './pool-waits.js';

/** The pool of a data source, the application's own use of it included; the waiting is that of this package. */
export class PoolMetrics implements MetricSource {
  constructor(private readonly dataSource: DataSource) {}

  read(): readonly Metric[] {
    const pool: Pool | undefined = poolOf(this.dataSource);
    const { totalCount = 0, idleCount = 0 } = pool ?? {};
    const { waiting, count, seconds } = pool ? waitsFor(pool) : { waiting: 0, count: 0, seconds: 0 };
    return [
      {
        name: 'token_family_pool_connections',
        help: 'Connections of the pool that refreshes use',
        type: 'gauge',
        labels: ['state'],
        samples: [
          { labels: { state: 'idle' }, value: idleCount },
          { labels: { state: 'busy' }, value: totalCount - idleCount },
        ],
      },
      single(
        'gauge',
        'token_family_pool_waiting',
        'Statements of ours that wait for a connection of that pool now',
        waiting,
      ),
      single(
        'counter',
        'token_family_pool_waits_total',
        'How often a statement of ours found no connection free',
        count,
      ),
      single(
        'counter',
        'token_family_pool_wait_seconds_total',
        'How long those statements waited or have been waiting, in sum',
        seconds,
        'seconds',
      ),
    ];
  }
}
