import { Browser, type Tab } from './support/browser.js';
import { LIFETIME } from './support/fake-server.js';

let browser: Browser;
beforeEach(() => {
  browser = new Browser();
});
afterEach(() => browser.close());

describe('Listeners', () => {
  let tab: Tab;
  beforeEach(() => {
    tab = browser.open();
  });

  test('that throw are no harm to each other, nor to the session, and are heard of as unhandled', async () => {
    // Jest would take a real unhandled rejection for a failure of the test.
    const reject = jest.spyOn(Promise, 'reject').mockImplementation(() => new Promise(() => {}));
    const told: string[] = [];
    tab.client.onSessionChange(() => {
      throw new Error('mine');
    });
    tab.client.onSessionChange(({ reason }) => told.push(reason));
    await tab.during(tab.client.setTokens(await browser.server.logIn()));
    expect((await tab.during(tab.client.fetch('/me'))).status).toBe(200);
    await tab.during(tab.client.logout());
    const unhandled = [...reject.mock.calls];
    reject.mockRestore();
    expect(told).toEqual(['login', 'logout']);
    expect(unhandled).toEqual([[new Error('mine')], [new Error('mine')]]);
  });

  test('that have ended hear no more', async () => {
    const told: unknown[] = [];
    const end = tab.client.onSessionChange((change) => told.push(change));
    end();
    await tab.during(tab.client.setTokens(await browser.server.logIn()));
    expect(told).toEqual([]);
    expect(tab.reasons).toEqual(['login']);
  });

  test('hear nothing of a refresh, and once of a session, however many ask', async () => {
    await tab.during(tab.client.setTokens(await browser.server.logIn()));
    for (let round = 0; round < 3; round++) {
      browser.time.sleep(LIFETIME);
      await tab.during(Promise.all([tab.client.getAccessToken(), tab.client.getSession()]));
    }
    expect(tab.reasons).toEqual(['login']);
  });

  test('that log out at once when they hear of a login are heeded', async () => {
    const { sid, ...rest } = await browser.server.logIn();
    tab.client.onSessionChange(({ session }) => {
      if (session) tab.client.logout().catch(() => {});
    });
    await tab.during(tab.client.setTokens({ sid, ...rest }));
    await browser.time.pass(5);
    expect(tab.client.session).toBeNull();
    expect(browser.storage.text).toBeNull();
    expect(await browser.server.isAlive(sid)).toBe(false);
  });

  test('that dispose of the client at once leave nothing behind', async () => {
    const response = await browser.server.logIn();
    const end = tab.client.onSessionChange(() => {
      tab.client.dispose();
      end();
    });
    const login = tab.during(tab.client.setTokens(response));
    await expect(login).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
    await browser.time.pass(2 * LIFETIME);
    expect(tab.reasons).toEqual(['login']);
    expect(browser.server.requests('auth/refresh')).toEqual([]);
  });
});
