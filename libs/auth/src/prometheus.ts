import { Counter, Gauge, register, type Registry, type RegistryContentType } from 'prom-client';
import type { Metric, MetricSource } from './core/metrics.js';

const registered = new WeakMap<object, MetricSource>();

/**
 * Adds the metrics of a node to a registry of `prom-client`: each scrape of that registry then reads them.
 *
 * The same metrics in the same registry again change nothing.
 *
 * @param metrics `TokenMetrics`, from the application
 * @param registry default: the one prom-client has for everybody
 * @throws {TypeError} the registry has metrics of these names from another application in this process; none was added
 */
export function registerTokenMetrics(
  metrics: MetricSource,
  registry: Registry<RegistryContentType> = register,
): void {
  const all = metrics.read();
  const taken = all.find(({ name }) => registry.getSingleMetric(name));
  if (taken) {
    if (registered.get(registry) === metrics) return;
    throw new TypeError(
      `${taken.name} is in this registry already: one registry takes the metrics of one application; ` +
        `give each a Registry of its own, or clear this one first`,
    );
  }
  for (const metric of all) addTo(registry, metric, metrics);
  registered.set(registry, metrics);
}

function addTo(
  registry: Registry<RegistryContentType>,
  { name, help, type, labels }: Metric,
  metrics: MetricSource,
): void {
  const config = { name, help, labelNames: [...labels], registers: [registry] };
  const samples = () => metrics.read().find((metric) => metric.name === name)?.samples ?? [];
  if (type === 'gauge') {
    const gauge: Gauge = new Gauge({
      ...config,
      collect() {
        gauge.reset();
        // A reset leaves a gauge without labels at 0, which nobody has measured.
        if (labels.length === 0) gauge.remove();
        for (const sample of samples()) gauge.set(sample.labels, sample.value);
      },
    });
    return;
  }
  const counter: Counter = new Counter({
    ...config,
    collect() {
      counter.reset();
      for (const sample of samples()) counter.inc(sample.labels, sample.value);
    },
  });
}
