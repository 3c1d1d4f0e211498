import {
  metrics as api,
  type BatchObservableCallback,
  type Meter,
  type Observable,
} from '@opentelemetry/api';
import type { Metric, MetricSource } from './core/metrics.js';

/**
 * Lets a meter of OpenTelemetry observe the metrics of a node, each time they are collected.
 *
 * They have the names of the Prometheus ones in OpenTelemetry's form: `token_family.refreshes` for
 * `token_family_refreshes_total`, and the unit `s` in place of `_seconds`; exporters to Prometheus make the same names of
 * them again.
 *
 * @param metrics `TokenMetrics`, from the application
 * @param meter default: one of the globally registered provider
 * @returns a function that ends the observing
 */
export function observeTokenMetrics(
  metrics: MetricSource,
  meter: Meter = api.getMeter('nestjs-token-family'),
): () => void {
  const instruments = new Map(metrics.read().map((metric) => [metric.name, instrumentFor(metric, meter)]));
  const observe: BatchObservableCallback = (result) => {
    for (const { name, samples } of metrics.read()) {
      const instrument = instruments.get(name);
      if (!instrument) continue;
      for (const { labels, value } of samples) {
        // Infinity is what Prometheus can say and OTLP cannot in JSON.
        if (Number.isFinite(value)) result.observe(instrument, value, labels);
      }
    }
  };
  const observables = [...instruments.values()];
  meter.addBatchObservableCallback(observe, observables);
  return () => meter.removeBatchObservableCallback(observe, observables);
}

function instrumentFor({ name, help, type, unit }: Metric, meter: Meter): Observable {
  const options = { description: help, ...(unit && { unit: 's' }) };
  const named = name
    .replace(/_total$/, '')
    .replace(/_seconds$/, '')
    .replace(/^token_family_/, 'token_family.');
  return type === 'counter'
    ? meter.createObservableCounter(named, options)
    : meter.createObservableGauge(named, options);
}
