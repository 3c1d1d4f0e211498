import { metrics as api } from '@opentelemetry/api';
import { DataPointType, MeterProvider, MetricReader, type MetricData } from '@opentelemetry/sdk-metrics';
import { TokenMetrics } from 'nestjs-token-family';
import { observeTokenMetrics } from 'nestjs-token-family/opentelemetry';
import { createDatabase } from '../support/database.js';
import { refresh } from '../support/http.js';
import { startNode } from '../support/node.js';
import { readMetrics } from './scrape.js';

class PullReader extends MetricReader {
  protected async onForceFlush(): Promise<void> {}
  protected async onShutdown(): Promise<void> {}

  /** Everything there is now, by name. */
  async read(): Promise<Map<string, MetricData>> {
    const { resourceMetrics, errors } = await this.collect();
    expect(errors).toEqual([]);
    const all = resourceMetrics.scopeMetrics.flatMap(({ metrics }) => metrics);
    return new Map(all.map((metric) => [metric.descriptor.name, metric]));
  }
}

function valueIn(
  metrics: Map<string, MetricData>,
  name: string,
  labels: Record<string, string> = {},
): unknown {
  const points = metrics.get(name)?.dataPoints ?? [];
  return points.find(({ attributes }) => JSON.stringify(attributes) === JSON.stringify(labels))?.value;
}

let reader: PullReader;
let provider: MeterProvider;
beforeEach(() => {
  reader = new PullReader();
  provider = new MeterProvider({ readers: [reader] });
});
afterEach(() => provider.shutdown());

test('every metric of a node is collected, with its kind, its unit and its value of that moment', async () => {
  const database = await createDatabase();
  const node = await startNode({ url: database.url });
  try {
    observeTokenMetrics(node.get(TokenMetrics), provider.getMeter('test'));
    const before = await reader.read();
    // One that has nothing to tell yet is left out: no revocation has come from elsewhere.
    const told = readMetrics(node).filter(({ samples }) => samples.length > 0);
    expect(before.size).toBe(told.length);
    expect(valueIn(before, 'token_family.refreshes', { verdict: 'rotated' })).toBe(0);
    const { refreshToken } = await node.tokens.issue('alice');
    await refresh(node, refreshToken);
    const after = await reader.read();
    expect(valueIn(after, 'token_family.refreshes', { verdict: 'rotated' })).toBe(1);
    expect(valueIn(after, 'token_family.logins')).toBe(1);
    expect(after.get('token_family.refreshes')).toMatchObject({
      dataPointType: DataPointType.SUM,
      isMonotonic: true,
    });
    expect(after.get('token_family.feed_staleness')).toMatchObject({
      dataPointType: DataPointType.GAUGE,
      descriptor: { unit: 's' },
    });
    expect(after.get('token_family.pool_wait')).toMatchObject({ descriptor: { unit: 's' } });
  } finally {
    await node.close();
    await database.drop();
  }
});

test('what has no finite value is left out', async () => {
  let value = Infinity;
  const metrics = {
    read: () => [
      {
        name: 'token_family_feed_staleness_seconds',
        help: 'Age',
        type: 'gauge' as const,
        labels: [],
        samples: [{ labels: {}, value }],
      },
    ],
  };
  observeTokenMetrics(metrics, provider.getMeter('test'));
  expect(valueIn(await reader.read(), 'token_family.feed_staleness')).toBeUndefined();
  value = 2;
  expect(valueIn(await reader.read(), 'token_family.feed_staleness')).toBe(2);
});

test('the observing ends when told to, and without a meter it is one of the global provider', async () => {
  let reads = 0;
  const metrics = { read: () => (reads++, []) };
  api.setGlobalMeterProvider(provider);
  try {
    const stop = observeTokenMetrics({
      read: () => {
        metrics.read();
        return [
          {
            name: 'token_family_logins_total',
            help: 'Logins',
            type: 'counter' as const,
            labels: [],
            samples: [{ labels: {}, value: 1 }],
          },
        ];
      },
    });
    expect(valueIn(await reader.read(), 'token_family.logins')).toBe(1);
    const before = reads;
    stop();
    await reader.read();
    expect(reads).toBe(before);
  } finally {
    api.disable();
  }
});
