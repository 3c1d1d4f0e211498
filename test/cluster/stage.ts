import { Cluster, type ClusterSettings } from './cluster.js';
import type { Stage } from './fault.js';

/** Clusters by their settings, kept for whoever asks next. */
export class ClusterStage implements Stage {
  readonly #clusters = new Map<string, Promise<Cluster>>();

  constructor(
    readonly form: Stage['form'],
    readonly seed: number,
  ) {}

  async cluster(settings: ClusterSettings = {}): Promise<Cluster> {
    const name = JSON.stringify(
      Object.entries(settings).toSorted(([left], [right]) => left.localeCompare(right)),
    );
    const starting = this.#clusters.get(name) ?? Cluster.start(settings);
    this.#clusters.set(name, starting);
    const cluster = await starting;
    await cluster.heal();
    return cluster;
  }

  async close(): Promise<void> {
    for (const cluster of await Promise.all(this.#clusters.values())) await cluster.close();
  }
}
