import { ClientSite } from './client-site.js';
import { CARRIERS, type Feature } from './profile.js';

const HOUR = 3600;
const LACKS: Feature[][] = [
  ['Web Locks'],
  ['BroadcastChannel'],
  ['crypto.subtle'],
  ['Web Locks', 'BroadcastChannel', 'crypto.subtle', 'IndexedDB'],
];

let site: ClientSite;
beforeAll(async () => {
  site = await ClientSite.start();
});
afterAll(() => site?.close());
afterEach(() => site?.leave());

describe.each(CARRIERS)('12 tabs, by %s', (carrier) => {
  test.each(LACKS.map((without) => [without.join(', '), without] as const))(
    'in a browser without %s wake up together, and nobody is logged out before one of them logs out',
    async (_, without) => {
      const { profile, tabs, sid } = await site.openTabs(12, { carrier, without });
      for (let round = 0; round < 2; round++) {
        await site.sleep(profile, HOUR);
        const answers = await Promise.all(tabs.map((tab) => tab.ask()));
        expect(answers).toEqual(tabs.map(() => ({ status: 200, name: 'alice', sid })));
      }
      expect(await site.family(sid)).toMatchObject({ generation: expect.any(Number), revoked_at: null });
      expect(await tabs[0]!.logOut()).toBe('confirmed');
      const last = await Promise.all(tabs.map((tab) => tab.ask()));
      // Who hears nothing has it from the server.
      for (const { status, code } of last) expect([401, 'ERR_NO_SESSION']).toContain(status ?? code);
      await Promise.all(tabs.map((tab) => tab.isLoggedOut()));
    },
  );
});

describe('a browser that keeps nothing', () => {
  test('without localStorage, the session lives in its tab, for as long as the tab', async () => {
    const profile = await site.open({ carrier: 'web', without: ['localStorage'] });
    const tab = await profile.openTab();
    expect(await tab.logIn()).toBe(200);
    for (let round = 0; round < 3; round++) {
      await site.sleep(profile, HOUR);
      expect(await tab.ask()).toMatchObject({ status: 200, name: 'alice' });
    }
    await tab.reload();
    expect(await tab.shown()).toEqual(['login']);
    expect(await tab.logIn()).toBe(200);
  });

  test('without cookies, a login lasts until its access token ends, and nothing goes round in circles', async () => {
    const profile = await site.openForbidden();
    const tab = await profile.openTab();
    expect(await tab.logIn()).toBe(200);
    expect(await tab.ask()).toMatchObject({ status: 200, name: 'alice' });
    site.forget();
    await site.sleep(profile, HOUR);
    expect(await tab.ask()).toEqual({ code: 'ERR_NO_SESSION' });
    expect((await tab.shown()).at(-1)).toBe('login');
    for (let round = 0; round < 3; round++) {
      await tab.reload();
      expect(await tab.shown()).toEqual(['login']);
    }
    expect(site.refreshes().length).toBeLessThanOrEqual(4);
  });
});
