import type { Adapter } from '../support/node.js';
import { authenticationCases } from './authentication-cases.js';
import { differing, own, standing } from './differences.js';
import { observe, type Aspect, type Case, type Observation } from './observation.js';
import type { Party } from './party.js';
import { tokenCases } from './token-cases.js';
import { tokenStateCases } from './token-state-cases.js';

export const CASES: readonly Case[] = [...tokenCases, ...authenticationCases, ...tokenStateCases];

export interface Comparison {
  readonly it: Case;
  readonly ours: Readonly<Record<Adapter, Observation>>;
  readonly theirs: Observation;
}

/** As many cases at a time: each has a login of its own. */
const AT_ONCE = 6;

export async function compareAll(ours: Record<Adapter, Party>, theirs: Party): Promise<Comparison[]> {
  const comparisons: Comparison[] = [];
  const queue = [...CASES.entries()];
  const work = async (): Promise<void> => {
    for (let next = queue.shift(); next; next = queue.shift()) {
      const [index, it] = next;
      const [express, fastify, other] = await Promise.all([
        observe(ours.express, it),
        observe(ours.fastify, it),
        observe(theirs, it),
      ]);
      comparisons[index] = { it, ours: { express, fastify }, theirs: other };
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return comparisons;
}

/** Aspects that differ and are not listed, and listed ones that do not differ: nothing, where all is as it should be. */
export function surprises({ it, ours, theirs }: Comparison, adapter: Adapter): Record<string, unknown> {
  const observed = ours[adapter];
  const known = { ...standing(it, observed, theirs), ...own(it, adapter) };
  const found = differing(observed, theirs);
  const unlisted = found.filter((aspect) => known[aspect] === undefined);
  const gone = (Object.keys(known) as Aspect[]).filter((aspect) => !found.includes(aspect));
  const both = (aspect: Aspect) => [aspect, { ours: observed[aspect], theirs: theirs[aspect] }] as const;
  return {
    ...(unlisted.length > 0 && { unlisted: Object.fromEntries(unlisted.map(both)) }),
    ...(gone.length > 0 && { gone: Object.fromEntries(gone.map(both)) }),
  };
}
