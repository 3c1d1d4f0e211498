import type { HeldAnswer } from '../front.js';
import { APPLICATION } from '../site.js';
import { ClientSite } from './client-site.js';
import { CARRIERS, type Feature, type Profile } from './profile.js';
import type { Tab } from './tab.js';

const HOUR = 3600;
const REFRESH = '/auth/refresh';
const LOGOUT = '/auth/logout';

let site: ClientSite;
beforeAll(async () => {
  site = await ClientSite.start();
});
afterAll(() => site?.close());
afterEach(() => site?.leave());

describe.each(CARRIERS)('a logout, by %s', (carrier) => {
  let profile: Profile;
  let tabs: Tab[];
  let sid: string;
  /** the refresh token, where a page has it */
  let fields: { refresh_token?: string };

  async function open(count: number, without: readonly Feature[] = []): Promise<void> {
    ({ profile, tabs, sid } = await site.openTabs(count, { carrier, without, timeout: 60 }));
    fields = await tabs[0]!.storedToken();
    await site.passTime(HOUR);
    await profile.skipTime(HOUR);
  }

  /** Nothing has come back, in no tab, and nothing that is left is worth anything. */
  async function isOverFor(pages: Tab[]): Promise<void> {
    for (const tab of pages) {
      await tab.isLoggedOut();
      expect(await tab.ask()).toEqual({ code: 'ERR_NO_SESSION' });
      expect((await tab.shown()).at(-1)).toBe('login');
    }
    expect([400, 401]).toContain(await pages[0]!.refreshPastIt(fields));
    expect(await pages[0]!.storedToken()).toEqual({});
    expect(await site.family(sid)).toMatchObject({ revocation_reason: 'logout' });
    await pages[0]!.reload();
    expect((await pages[0]!.shown()).at(-1)).toBe('login');
  }

  async function whileRefreshing(count: number): Promise<void> {
    const [first, ...others] = tabs;
    site.front.hold(REFRESH);
    const asking = others.map((tab) => tab.ask());
    const held: HeldAnswer[] = await site.front.held(count);
    expect(await first!.logOut()).toBe('confirmed');
    for (const tab of tabs) await tab.isLoggedOut();
    site.front.pass();
    for (const answer of held) answer.release();
    for (const answer of await Promise.all(asking)) expect(answer).toEqual({ code: 'ERR_NO_SESSION' });
    await isOverFor(tabs);
  }

  test('in one tab ends it in all, while one refreshes for two others', async () => {
    await open(4);
    await whileRefreshing(1);
  });

  test('in one tab ends it in all, while three others refresh', async () => {
    await open(4, ['Web Locks']);
    await whileRefreshing(3);
  });

  test('during a refresh of its own wins', async () => {
    await open(1);
    const [tab] = tabs;
    site.front.hold(REFRESH);
    const asking = tab!.ask();
    const [held] = await site.front.held(1);
    const leaving = tab!.logOut();
    await tab!.isLoggedOut();
    site.front.pass();
    held!.release();
    expect(await asking).toEqual({ code: 'ERR_NO_SESSION' });
    expect(await leaving).toBe('confirmed');
    await isOverFor(tabs);
  });

  test('reaches the server although the page is left at once', async () => {
    await open(2);
    const [first, other] = tabs;
    await first!.page.evaluate(`client.logout().catch(() => {}); location.href = '${APPLICATION}/elsewhere'`);
    await first!.page.waitForURL('**/elsewhere');
    await site.front.saw(1, LOGOUT);
    await isOverFor([other!]);
  });

  test('reaches the server although the tab is closed at once', async () => {
    await open(2);
    const [first, other] = tabs;
    await first!.page.evaluate('client.logout().catch(() => {}); undefined');
    await first!.page.close({ runBeforeUnload: true });
    await site.front.saw(1, LOGOUT);
    await isOverFor([other!]);
  });

  test('without a network is told to the server when it is back', async () => {
    await open(1);
    await profile.context.setOffline(true);
    void tabs[0]!.logOut();
    await tabs[0]!.isLoggedOut();
    await profile.context.setOffline(false);
    await site.front.saw(1, LOGOUT);
    await isOverFor(tabs);
  });

  test('without a network is kept: whoever comes back later is logged out, and by cookie the server is told then', async () => {
    await open(1);
    await profile.context.setOffline(true);
    const leaving = tabs[0]!.logOut().catch(() => {});
    await tabs[0]!.isLoggedOut();
    await tabs[0]!.close();
    await leaving;
    expect(await site.family(sid)).toMatchObject({ revoked_at: null });
    await profile.context.setOffline(false);
    const later = await profile.openTab();
    expect(await later.shown()).toEqual(['login']);
    if (carrier === 'cookie') await site.front.saw(1, LOGOUT);
    await later.reload();
    expect(await later.shown()).toEqual(['login']);
    // In a storage that scripts can read, nothing is kept for a later page to say it with.
    expect(await later.storedToken()).toEqual({});
    const isTold = (await site.family(sid)).revocation_reason === 'logout';
    expect(isTold).toBe(carrier === 'cookie');
  });
});
