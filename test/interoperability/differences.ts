import type { Adapter } from '../support/node.js';
import type { Aspect, Case, Observation } from './observation.js';
import type { Reason } from './reasons.js';

/** Aspects in which an answer is known to differ, and why. */
export type Differences = Partial<Record<Aspect, Reason>>;

/** `of` says in which aspects. */
export function because(reason: Reason, ...of: readonly Aspect[]): Differences {
  return Object.fromEntries(of.map((aspect) => [aspect, reason]));
}

export const NOBODY = because('nobody', 'status', 'error');
/** Without a client it is our default one that asks: for what it may not have, rather than malformed. */
export const NOT_ITS_OWN = because('unnamed', 'error');
export const ATTEMPTED = because('attempted', 'status', 'error', 'challenge');
export const OTHER_METHOD = because('routing', 'error', 'type');

/** What differs in every answer of a kind, listed once rather than with each case. */
const STANDING: readonly {
  readonly reason: Reason;
  readonly aspect: Aspect;
  readonly applies: (it: Case, ours: Observation, theirs: Observation) => boolean;
}[] = [
  {
    reason: 'challenge',
    aspect: 'challenge',
    applies: (it, ours, theirs) =>
      it.to === 'introspect' &&
      ours.status === 401 &&
      theirs.challenge === '' &&
      it.authorization === undefined &&
      it.differs?.challenge === undefined,
  },
  {
    reason: 'caching',
    aspect: 'caching',
    // The application's parser and router do not say so.
    applies: ({ to }, ours) => to === 'revoke' && (ours.status < 300 || ours.error.startsWith('invalid_')),
  },
  {
    reason: 'emptyBody',
    aspect: 'type',
    applies: ({ to }, ours, theirs) => to === 'revoke' && ours.status === 200 && theirs.status === 200,
  },
  {
    reason: 'members',
    aspect: 'members',
    applies: ({ to }, ours, theirs) =>
      to !== 'revoke' &&
      ours.status === 200 &&
      theirs.status === 200 &&
      ours.says !== 'inactive' &&
      theirs.says !== 'inactive',
  },
];

/** What is listed for all of its kind. */
export function standing(it: Case, ours: Observation, theirs: Observation): Differences {
  const applying = STANDING.filter(({ applies }) => applies(it, ours, theirs));
  return Object.fromEntries(applying.map(({ aspect, reason }) => [aspect, reason]));
}

/** What is listed with a case itself, or with the adapter. */
export function own(it: Case, adapter: Adapter): Differences {
  return { ...it.differs, ...it.differsOn?.[adapter] };
}

export function differing(ours: Observation, theirs: Observation): Aspect[] {
  return (Object.keys(ours) as Aspect[]).filter((aspect) => ours[aspect] !== theirs[aspect]);
}
