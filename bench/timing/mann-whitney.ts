/** How two samples compare: the chance that one of `left` is above one of `right`, and how sure that is. */
export interface Comparison {
  /** 0.5 when neither tends to be above the other; ties count half */
  readonly auc: number;
  /** standard deviations from what chance alone makes of it */
  readonly z: number;
}

/**
 * The rank test of Mann and Whitney, with the normal approximation and its correction for ties.
 *
 * It asks nothing of the shape of a distribution: outliers, of which times have many, weigh no more than their rank.
 */
export function mannWhitney(left: readonly number[], right: readonly number[]): Comparison {
  const [m, n] = [left.length, right.length];
  const all = [
    ...left.map((value) => ({ value, isLeft: true })),
    ...right.map((value) => ({ value, isLeft: false })),
  ].toSorted((one, other) => one.value - other.value);
  let [rankSum, tied] = [0, 0];
  for (let start = 0; start < all.length;) {
    let end = start;
    while (end < all.length && all[end]!.value === all[start]!.value) end++;
    const rank = (start + end + 1) / 2;
    for (const { isLeft } of all.slice(start, end)) if (isLeft) rankSum += rank;
    const size = end - start;
    tied += size ** 3 - size;
    start = end;
  }
  const auc = (rankSum - (m * (m + 1)) / 2) / (m * n);
  const total = m + n;
  const variance = ((m * n) / 12) * (total + 1 - tied / (total * (total - 1)));
  return { auc, z: variance === 0 ? 0 : ((auc - 0.5) * m * n) / Math.sqrt(variance) };
}
