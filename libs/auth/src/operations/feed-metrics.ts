import type { Metric, MetricSample, MetricSource } from '../core/metrics.js';

/** What a node tells of its knowledge of revocations. */
export interface FeedFigures {
  /** seconds since it was last confirmed; Infinity before the first time */
  staleness(): number;
  readonly lag: FeedLag;
}

interface FeedLag {
  /** of the revocations made elsewhere that were heard of since the start: how many, and seconds until then, in sum */
  readonly count: number;
  readonly sum: number;
  /** of the latest; null before the first */
  readonly last: number | null;
  /** how many revoked sessions are remembered */
  readonly size: number;
}

/** Of each feed under its issuer's name, where a node believes several; of a single one without a name. */
export class FeedMetrics implements MetricSource {
  constructor(private readonly feeds: ReadonlyMap<string | null, FeedFigures>) {}

  read(): readonly Metric[] {
    return [
      this.#gauge('feed_staleness_seconds', STALENESS, (feed) => feed.staleness()),
      this.#gauge('feed_last_lag_seconds', LAST_LAG, ({ lag }) => lag.last),
      this.#gauge('revoked_sessions', SIZE, ({ lag }) => lag.size),
      this.#metric('counter', 'feed_heard_total', HEARD, ({ lag }) => lag.count),
      this.#metric('counter', 'feed_lag_seconds_total', LAG, ({ lag }) => lag.sum),
    ];
  }

  #gauge(name: string, help: string, valueOf: (feed: FeedFigures) => number | null): Metric {
    return this.#metric('gauge', name, help, valueOf);
  }

  #metric(
    type: Metric['type'],
    name: string,
    help: string,
    valueOf: (feed: FeedFigures) => number | null,
  ): Metric {
    const samples: MetricSample[] = [];
    for (const [issuer, feed] of this.feeds) {
      const value = valueOf(feed);
      if (value !== null) samples.push({ labels: issuer === null ? {} : { issuer }, value });
    }
    const unit = /_seconds(?:_total)?$/.test(name) && { unit: 'seconds' as const };
    const labels = this.feeds.has(null) ? [] : ['issuer'];
    return { name: `token_family_${name}`, help, type, ...unit, labels, samples };
  }
}

const SIZE = 'Revoked sessions this node remembers';
const STALENESS = 'How long ago what this node knows of revocations was last confirmed';
const HEARD = 'Revocations made elsewhere that this node has heard of since it started';
const LAG = 'Time from those revocations to their being heard of, in sum';
const LAST_LAG = 'The same, of the latest one';
