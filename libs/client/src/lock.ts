import { platform } from './platform.js';
import { waitFor } from './wait.js';

/**
 * Runs `task` while no other tab runs one of that name; after `timeout` milliseconds of waiting, all the same: the server
 * is safe, and a tab that hangs must not hold up the others.
 *
 * The browser takes the lock from a tab that dies. Where there are no Web Locks the task runs at once.
 */
export async function runAlone<T>(name: string, task: () => Promise<T>, timeout: number): Promise<T> {
  let begun: Promise<T> | undefined;
  const begin = (): Promise<T> => (begun ??= task());
  // There may be none, or none for an opaque origin. What has begun fails below.
  const alone = (async () => platform.navigator!.locks!.request(name, begin))().catch(() => {});
  await waitFor(alone, timeout);
  return begin();
}
