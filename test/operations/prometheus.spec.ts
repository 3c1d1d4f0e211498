import { Counter, register, Registry, type RegistryContentType } from 'prom-client';
import { TokenMetrics, type Metric } from 'nestjs-token-family';
import { registerTokenMetrics } from 'nestjs-token-family/prometheus';
import { createDatabase } from '../support/database.js';
import { refresh } from '../support/http.js';
import { startNode } from '../support/node.js';
import { readMetrics } from './scrape.js';

/** What a scrape holds, read from the text as a Prometheus server would: `name{label="value"}` → value. */
function parse(text: string): { types: Map<string, string>; values: Map<string, number> } {
  const types = new Map<string, string>();
  const values = new Map<string, number>();
  for (const line of text.split('\n').filter((each) => each !== '' && each !== '# EOF')) {
    const [, name, type] = /^# TYPE (\S+) (\w+)$/.exec(line) ?? [];
    if (name) types.set(name, type!);
    if (line.startsWith('#')) continue;
    const [, sample, value] = /^(\w+(?:\{.*\})?) (\S+)$/.exec(line) ?? [];
    if (!sample) throw new Error(`no line of the exposition format: ${line}`);
    if (values.has(sample)) throw new Error(`told twice: ${sample}`);
    values.set(sample, value === '+Inf' ? Infinity : Number(value));
  }
  return { types, values };
}

const scrape = async (registry: { metrics(): Promise<string> }) => parse(await registry.metrics());

/** A source that tells what it is given. */
function telling(...metrics: Metric[]) {
  return { read: () => metrics };
}

const heard = (samples: Metric['samples'], labels: string[] = []): Metric => ({
  name: 'token_family_heard_total',
  help: 'What was heard',
  type: 'counter',
  labels,
  samples,
});
const gauge = (samples: Metric['samples'], labels: string[] = []): Metric => ({
  ...heard(samples, labels),
  name: 'token_family_lag_seconds',
  type: 'gauge',
  unit: 'seconds',
});

test('every metric of a node is in the scrape, with its type and its value of that moment', async () => {
  const database = await createDatabase();
  const node = await startNode({ url: database.url });
  try {
    const registry = new Registry();
    registerTokenMetrics(node.get(TokenMetrics), registry);
    const before = await scrape(registry);
    const told = readMetrics(node);
    expect([...before.types]).toEqual(told.map(({ name, type }) => [name, type]));
    const samples = told.flatMap(({ samples: each }) => each);
    expect(before.values.size).toBe(samples.length);
    expect(before.values.get('token_family_refreshes_total{verdict="rotated"}')).toBe(0);
    const { refreshToken } = await node.tokens.issue('alice');
    await refresh(node, refreshToken);
    await refresh(node, 'no token');
    for (const _ of [1, 2]) {
      const { values } = await scrape(registry);
      expect(values.get('token_family_refreshes_total{verdict="rotated"}')).toBe(1);
      expect(
        values.get('token_family_refreshes_total{verdict="refused",code="refresh_token_malformed"}'),
      ).toBe(1);
      expect(values.get('token_family_logins_total')).toBe(1);
      expect(values.get('token_family_pool_connections{state="idle"}')).toBeGreaterThan(0);
    }
  } finally {
    await node.close();
    await database.drop();
  }
});

test('a metric without a sample is not told to be nought', async () => {
  const registry = new Registry();
  let samples: Metric['samples'] = [];
  registerTokenMetrics({ read: () => [gauge(samples)] }, registry);
  expect((await scrape(registry)).values.size).toBe(0);
  samples = [{ labels: {}, value: Infinity }];
  expect((await scrape(registry)).values).toEqual(new Map([['token_family_lag_seconds', Infinity]]));
  samples = [];
  expect((await scrape(registry)).values.size).toBe(0);
});

test('the labels of an issuer are its own', async () => {
  const registry = new Registry();
  const samples = ['https://a.test', 'https://b.test'].map((issuer, at) => ({
    labels: { issuer },
    value: at,
  }));
  registerTokenMetrics(telling(gauge(samples, ['issuer'])), registry);
  expect((await scrape(registry)).values).toEqual(
    new Map([
      ['token_family_lag_seconds{issuer="https://a.test"}', 0],
      ['token_family_lag_seconds{issuer="https://b.test"}', 1],
    ]),
  );
});

test('the same metrics again change nothing, also after the registry was cleared', async () => {
  const registry = new Registry();
  const metrics = telling(heard([{ labels: {}, value: 3 }]));
  registerTokenMetrics(metrics, registry);
  registerTokenMetrics(metrics, registry);
  expect((await scrape(registry)).values).toEqual(new Map([['token_family_heard_total', 3]]));
  registry.clear();
  registerTokenMetrics(metrics, registry);
  expect((await scrape(registry)).values).toEqual(new Map([['token_family_heard_total', 3]]));
});

test('those of a second application in one registry are refused with the remedy, and none is added', async () => {
  const registry = new Registry();
  registerTokenMetrics(telling(heard([{ labels: {}, value: 1 }])), registry);
  const second = telling(gauge([]), heard([{ labels: {}, value: 2 }]));
  expect(() => registerTokenMetrics(second, registry)).toThrow(
    /token_family_heard_total is in this registry already.*a Registry of its own/,
  );
  expect(registry.getMetricsAsArray()).toHaveLength(1);
});

test('without a registry it is the one prom-client has for everybody', async () => {
  try {
    registerTokenMetrics(telling(heard([{ labels: {}, value: 1 }])));
    new Counter({ name: 'own_total', help: 'of the application' }).inc();
    const { values } = await scrape(register);
    expect([...values]).toEqual([
      ['token_family_heard_total', 1],
      ['own_total', 1],
    ]);
  } finally {
    register.clear();
  }
});

test('in OpenMetrics a counter has its _total once', async () => {
  const registry = new Registry<RegistryContentType>();
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  registerTokenMetrics(telling(heard([{ labels: {}, value: 1 }])), registry);
  const { types, values } = await scrape(registry);
  expect([...types]).toEqual([['token_family_heard', 'counter']]);
  expect([...values]).toEqual([['token_family_heard_total', 1]]);
});
