import type { Cluster, ClusterSettings } from './cluster.js';

/** What a fault is given to run on. */
export interface Stage {
  /** `short` belongs to the default tests, `full` to `npm run test:cluster` */
  readonly form: 'short' | 'full';
  /** of everything random; printed, so that a run can be repeated */
  readonly seed: number;
  /**
   * A cluster with these settings, all of whose nodes are up and whose links are whole. The same settings give the same
   * cluster, whatever fault used it before: log in as somebody new. Closed when the run ends.
   */
  cluster(settings?: ClusterSettings): Promise<Cluster>;
}

/** One row of the closing table. */
export interface Fault {
  /** `F5`, as in the matrix of faults; letters after it tell variants apart */
  readonly id: string;
  readonly how: string;
  readonly guarantee: string;
  /**
   * @returns what was observed, one line with the counts and times that matter
   * @throws {Error} the guarantee did not hold, or the fault did not take place
   * @throws {NotRun} something it needs is not on this machine
   */
  run(stage: Stage): Promise<string>;
}

/** What a fault needs is missing here; the message says how to get it. */
export class NotRun extends Error {}

/** A row after its run. */
export interface Observation {
  readonly fault: Fault;
  readonly result: 'held' | 'broken' | 'not run';
  readonly observed: string;
  /** milliseconds */
  readonly took: number;
}

export async function observe(fault: Fault, stage: Stage): Promise<Observation> {
  const start = performance.now();
  const done = (result: Observation['result'], observed: string): Observation => ({
    fault,
    result,
    observed,
    took: performance.now() - start,
  });
  try {
    return done('held', await fault.run(stage));
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return error instanceof NotRun ? done('not run', `not run: ${text}`) : done('broken', `BROKEN: ${text}`);
  }
}

/** @throws {Error} `what` does not hold */
export function demand(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(what);
}
