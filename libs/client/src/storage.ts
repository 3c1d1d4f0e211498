type Awaitable<T> = T | Promise<T>;

/**
 * Where a client keeps its refresh token: one text, which it writes, reads and removes.
 *
 * The text holds the token and its Idempotency-Key, so it is as secret as a password. Each method may answer at once or
 * later, and may fail: the client then goes on with what it has in memory, and a text that is one token behind is no loss.
 */
export interface TokenStorage {
  /** @returns what was set last, by whomever; null when there is nothing */
  get(): Awaitable<string | null | undefined>;
  /** Resolves when `value` would survive a crash. */
  set(value: string): Awaitable<unknown>;
  remove(): Awaitable<unknown>;
  /**
   * Runs `task` while nobody else who shares the storage runs theirs; after `timeout` milliseconds of waiting, all the
   * same. Absent: Web Locks, where the platform has them.
   */
  lock?<T>(task: () => Promise<T>, timeout: number): Promise<T>;
  /** false: no other tab or process ever sees it. Absent: one may. */
  readonly isShared?: boolean;
}
