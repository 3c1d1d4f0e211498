/** @param times at least one, the shortest first */
export function quantiles(times: readonly number[]): { p50: number; p99: number; max: number } {
  const at = (share: number): number => times[Math.min(times.length - 1, Math.floor(share * times.length))]!;
  return { p50: at(0.5), p99: at(0.99), max: times.at(-1)! };
}
