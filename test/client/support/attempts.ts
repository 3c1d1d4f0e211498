import type { Browser, Tab } from './browser.js';
import { LIFETIME } from './fake-server.js';
import { answered } from './troubles.js';

/** `a token`, or the code of what it was refused with. */
export function outcome(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => 'a token',
    ({ code }: { code?: string }) => code,
  );
}

/** What becomes of a tab that needs a token while every attempt to refresh is answered so. */
export async function needAnswered(
  browser: Browser,
  tab: Tab,
  ...[status, body, headers]: Parameters<typeof answered>
): Promise<unknown> {
  browser.time.sleep(LIFETIME);
  browser.server.always('auth/refresh', answered(status, body, headers));
  return outcome(tab.getAccessToken());
}
