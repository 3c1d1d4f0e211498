/**
 * A figure about this node, as Prometheus and OpenTelemetry both understand it. A counter only grows for as long as
 * the process lives; both hear of a sample before it first counts, so that an increase from nought is seen.
 */
export interface Metric {
  /** by the conventions of Prometheus: `token_family_…`, `_total` at the end of a counter, the unit before that */
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge';
  readonly unit?: 'seconds';
  /** every label a sample may have; none of them names a subject, a session, a token or a key */
  readonly labels: readonly string[];
  readonly samples: readonly MetricSample[];
}

export interface MetricSample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Whoever has figures to tell. They are kept as plain numbers, and made into metrics when somebody asks. */
export interface MetricSource {
  /** Always the same metrics, in the same order. */
  read(): readonly Metric[];
}

/** Counts by name, from nought. */
export class Tally<Name extends string> {
  readonly #counts: Map<Name, number>;

  /** @param known are told from the start; any other once it happens */
  constructor(known: Iterable<Name>) {
    this.#counts = new Map([...known].map((name) => [name, 0]));
  }

  add(name: Name): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }

  samples(labelsOf: (name: Name) => MetricSample['labels']): MetricSample[] {
    return [...this.#counts].map(([name, value]) => ({ labels: labelsOf(name), value }));
  }
}

/** A metric of one sample without labels. */
export function single(
  type: Metric['type'],
  name: string,
  help: string,
  value: number,
  unit?: Metric['unit'],
): Metric {
  return { name, help, type, ...(unit && { unit }), labels: [], samples: [{ labels: {}, value }] };
}

/** `ERR_ACCESS_TOKEN_EXPIRED` as a label says it: `access_token_expired`. */
export function reasonIn(code: string): string {
  return code.replace(/^ERR_/, '').toLowerCase();
}
