import { since, type Instant } from './instant.js';
import type { Session } from './session.js';

/** An access token as it is held: in memory, with what is needed to know when another one is due. Durations in milliseconds. */
export interface AccessToken {
  readonly value: string;
  readonly session: Session;
  /** when it was asked for: it cannot have begun earlier */
  readonly askedAt: Instant;
  readonly lifetime: number;
  /** how long after `askedAt` another one is due */
  readonly refreshAfter: number;
  /** how long before its end it is handed out no more: a request takes its time to arrive */
  readonly slack: number;
  /** by a refresh of this client's own, not by another tab */
  readonly isOwn: boolean;
  /** the token before it was refused by a resource server */
  readonly isReplacement: boolean;
}

/** So long before the end, and up to twice as long, another one is due; a tenth of what lives shorter than five minutes. */
const MARGIN = 30_000;

/** Due at a moment of its own: a thief who knew the schedule could ride beside it, and a fleet would come all at once. */
export function scheduleOf(lifetime: number): Pick<AccessToken, 'lifetime' | 'refreshAfter' | 'slack'> {
  const margin = Math.min(MARGIN, lifetime / 10);
  return { lifetime, refreshAfter: lifetime - margin * (1 + Math.random()), slack: margin / 6 };
}

/** Milliseconds; negative when it is overdue. */
export function dueIn({ askedAt, refreshAfter }: AccessToken): number {
  return refreshAfter - since(askedAt);
}

export function isUsable({ askedAt, lifetime, slack }: AccessToken): boolean {
  return since(askedAt) < lifetime - slack;
}

/**
 * Whether it may well be good although `isUsable` says no, because the device's clock was set forward.
 *
 * To be trusted only where nothing better can be had.
 */
export function mayBeAlive({ askedAt, lifetime }: AccessToken): boolean {
  return performance.now() - askedAt.monotonic < lifetime;
}
