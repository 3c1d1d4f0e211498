import { later } from './platform.js';

/**
 * Waits for `work`, for `milliseconds`, or until one of `signals` is aborted, whichever comes first.
 *
 * @returns what `work` resolves to; undefined when something else came first
 */
export async function firstOf<T>(
  work: Promise<T> | null,
  milliseconds: number,
  signals: readonly (AbortSignal | undefined)[],
): Promise<T | undefined> {
  let stop = (): void => {};
  const other = new Promise<undefined>((resolve) => {
    const end = (): void => resolve(undefined);
    const cancel = later(end, milliseconds);
    for (const signal of signals) {
      if (signal?.aborted) end();
      signal?.addEventListener('abort', end);
    }
    stop = () => {
      cancel();
      for (const signal of signals) signal?.removeEventListener('abort', end);
    };
  });
  try {
    return await (work ? Promise.race([work, other]) : other);
  } finally {
    stop();
  }
}
