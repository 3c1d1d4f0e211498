/** Milliseconds since it was started. */
export type Stopwatch = () => number;

/**
 * Measures on the two clocks of this device, and believes whichever says more: the monotonic one may stand still while a laptop
 * sleeps, and the other one may be set back. Neither is ever compared with anybody else's.
 */
export function startStopwatch(): Stopwatch {
  const monotonic = performance.now();
  const wall = Date.now();
  return () => Math.max(performance.now() - monotonic, Date.now() - wall);
}
