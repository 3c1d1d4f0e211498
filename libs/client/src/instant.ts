/** A moment on the two clocks of this device. Neither is ever compared with anybody else's clock. */
export interface Instant {
  readonly monotonic: number;
  readonly wall: number;
}

export function now(): Instant {
  return { monotonic: performance.now(), wall: Date.now() };
}

/**
 * Milliseconds since `instant`, by whichever clock says more: the monotonic one may stand still while a laptop sleeps, and
 * the other one may be set back.
 */
export function since({ monotonic, wall }: Instant): number {
  return Math.max(performance.now() - monotonic, Date.now() - wall);
}
