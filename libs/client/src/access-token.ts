import type { Stopwatch } from './stopwatch.js';

/** An access token as it is held: in memory, with what is needed to know when another one is due. Durations in milliseconds. */
export interface AccessToken {
  readonly value: string;
  /** since it was asked for: it cannot have begun earlier */
  readonly age: Stopwatch;
  /** the age at which another one is due */
  readonly dueAt: number;
  /** the age at which it is handed out no more: a request takes its time to arrive */
  readonly staleAt: number;
}

/** So long before the end, and up to twice as long, another one is due; a tenth of what lives shorter than five minutes. */
const MARGIN = 30_000;

/** Due at a moment of its own: a thief who knew the schedule could ride beside it, and a fleet would come all at once. */
export function scheduleOf(lifetime: number): Pick<AccessToken, 'dueAt' | 'staleAt'> {
  const margin = Math.min(MARGIN, lifetime / 10);
  return { dueAt: lifetime - margin * (1 + Math.random()), staleAt: lifetime - margin / 6 };
}
