import { platform } from './platform.js';

/**
 * Runs `task` while no other tab runs one of that name; after `timeout` milliseconds of waiting, all the same: the server
 * is safe, and a tab that hangs must not hold up the others.
 *
 * The browser takes the lock from a tab that dies. Where there are no Web Locks the task runs at once.
 */
export async function runAlone<T>(name: string, task: () => Promise<T>, timeout: number): Promise<T> {
  let begun: Promise<T> | undefined;
  const begin = (): Promise<T> => (begun ??= task());
  try {
    return await platform.navigator!.locks!.request(name, { signal: AbortSignal.timeout(timeout) }, begin);
  } catch {
    // Waited for too long; or there are none, or not for an opaque origin. What has begun has failed by itself.
    return begin();
  }
}
