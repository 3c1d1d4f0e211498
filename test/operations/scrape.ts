import { isDeepStrictEqual } from 'node:util';
import { TokenMetrics, type Metric } from 'nestjs-token-family';
import type { TestNode } from '../support/node.js';

/** The value of one sample; undefined when there is none with exactly these labels. */
export function sample(
  metrics: readonly Metric[],
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number | undefined {
  const metric = metrics.find((each) => each.name === `token_family_${name}`);
  return metric?.samples.find((each) => isDeepStrictEqual(each.labels, labels))?.value;
}

export function readMetrics(node: TestNode): Metric[] {
  return node.get(TokenMetrics).read();
}

/** What has grown since `before`, by metric and labels: `name{label=value,…}`. */
export function grown(before: readonly Metric[], after: readonly Metric[]): Record<string, number> {
  const values = (metrics: readonly Metric[]) =>
    new Map(
      metrics
        .filter(({ type }) => type === 'counter')
        .flatMap(({ name, samples }) =>
          samples.map(({ labels, value }): [string, number] => [
            `${name.replace(/^token_family_/, '')}{${Object.values(labels).join(' ')}}`,
            value,
          ]),
        ),
    );
  const old = values(before);
  const changes = [...values(after)].map(([name, value]) => [name, value - (old.get(name) ?? 0)] as const);
  return Object.fromEntries(changes.filter(([, change]) => change !== 0));
}
