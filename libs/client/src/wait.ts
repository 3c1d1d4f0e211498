/**
 * Waits for `work`, for `milliseconds`, or until one of `signals` is aborted, whichever comes first.
 *
 * @returns what `work` resolves to; undefined when something else came first
 */
export async function waitFor<T>(
  work: Promise<T> | null,
  milliseconds: number,
  ...signals: (AbortSignal | undefined)[]
): Promise<T | undefined> {
  const over = new AbortController();
  let timer;
  const other = new Promise<undefined>((resolve) => {
    const end = (): void => resolve(undefined);
    timer = setTimeout(end, milliseconds);
    for (const signal of signals) {
      signal?.addEventListener('abort', end, { signal: over.signal });
      if (signal?.aborted) end();
    }
  });
  try {
    return await Promise.race([work ?? other, other]);
  } finally {
    clearTimeout(timer);
    over.abort();
  }
}
