/**
 * Waits for `work`, for `milliseconds`, until `signal` is aborted or until what is put into `ends` is called, whichever comes
 * first.
 *
 * @param ends for those that many wait for at a time, and long: an AbortSignal with more than ten listeners is taken for a leak by Node
 * @returns what `work` resolves to; undefined when something else came first
 */
export async function waitFor<T>(
  work: Promise<T> | null,
  milliseconds: number,
  signal?: AbortSignal,
  ends?: Set<() => void>,
): Promise<T | undefined> {
  let end!: () => void;
  const other = new Promise<undefined>((resolve) => (end = () => resolve(undefined)));
  // A timer takes what is longer for nothing.
  const timer = setTimeout(end, Math.min(milliseconds, 2 ** 31 - 1));
  signal?.addEventListener('abort', end);
  if (signal?.aborted) end();
  ends?.add(end);
  try {
    return await Promise.race([work ?? other, other]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', end);
    ends?.delete(end);
  }
}
