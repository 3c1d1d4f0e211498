import { later, platform } from './platform.js';

/**
 * Runs `task` while no other tab runs one of that name; after `timeout` milliseconds of waiting, all the same: the server
 * is safe, and a tab that hangs must not hold up the others.
 *
 * The browser takes the lock from a tab that dies. Where there are no Web Locks the task runs at once.
 */
export async function runAlone<T>(name: string, task: () => Promise<T>, timeout: number): Promise<T> {
  const locks = platform.navigator?.locks;
  if (!locks) return task();
  const waiting = new AbortController();
  const stopWaiting = later(() => waiting.abort(), timeout);
  let hasBegun = false;
  try {
    return await locks.request(name, { signal: waiting.signal }, () => {
      hasBegun = true;
      stopWaiting();
      return task();
    });
  } catch (error) {
    // Waited for too long, or the page may not use locks (an opaque origin).
    if (hasBegun) throw error;
    return await task();
  } finally {
    stopWaiting();
  }
}
