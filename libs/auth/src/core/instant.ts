import type { Clock } from './ports.js';

/** One moment on both of a node's clocks, in milliseconds. */
export interface Instant {
  readonly monotonic: number;
  readonly wall: number;
}

export function instantOf(clock: Clock): Instant {
  return { monotonic: clock.monotonic(), wall: clock.now() };
}

/**
 * Milliseconds since `instant`, on whichever clock says more: a process may have slept, and a clock may have been set
 * back. Infinity since a moment that never was.
 *
 * @param wall what the wall clock says now, where that has just been read
 */
export function elapsedSince(instant: Instant | null, clock: Clock, wall = clock.now()): number {
  return instant ? Math.max(clock.monotonic() - instant.monotonic, wall - instant.wall) : Infinity;
}
