import { LEEWAY } from '../support/fake-judge.js';
import { LIFETIME } from '../support/fake-server.js';
import type { Run } from './commands.js';
import { violation, type Household } from './household.js';

/**
 * Copies what is in the storage, waits, and goes on refreshing beside the victim: the session ends at the next refresh after
 * the leeway by whoever comes second, one refresh later where the key was copied as well.
 */
export async function steal(
  { browser, tabs, sid }: Household,
  { withKey, waits, goesFirst }: NonNullable<Run['thief']>,
): Promise<void> {
  const stolen = browser.storage.content;
  const [victim] = tabs;
  if (!stolen || !victim || sid === null) return;
  let held: { token: string; key: string | undefined } | null = {
    token: stolen.token,
    key: withKey ? stolen.key : undefined,
  };
  browser.time.sleep(waits);

  const refreshAsThief = async (): Promise<void> => {
    if (!held) return;
    const response = await browser.server.present(held.token, held.key);
    const body = (await response.json()) as { refresh_token?: string };
    held =
      body.refresh_token === undefined
        ? null
        : { token: body.refresh_token, key: `drawn by a thief ${Math.random()}` };
  };
  const refreshAsVictim = (): Promise<unknown> => victim.getAccessToken().catch(() => null);
  const turns = goesFirst ? [refreshAsThief, refreshAsVictim] : [refreshAsVictim, refreshAsThief];
  for (let round = 0; round < (withKey ? 3 : 2); round++) {
    for (const turn of turns) {
      browser.time.sleep(LIFETIME + LEEWAY);
      await turn();
    }
  }
  if (await browser.server.isAlive(sid)) throw violation('a theft went unnoticed');
  for (const tab of tabs) {
    browser.time.sleep(LIFETIME);
    const outcome: unknown = await tab.getAccessToken().catch((error: unknown) => error);
    if ((outcome as { code?: string }).code !== 'ERR_NO_SESSION')
      throw violation('a tab lives on in a session that has ended');
  }
}
