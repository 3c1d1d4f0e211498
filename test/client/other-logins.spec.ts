import { Browser, type Tab } from './support/browser.js';
import { LIFETIME } from './support/fake-server.js';
import { answered, Gate, late } from './support/troubles.js';

let browser: Browser;
beforeEach(() => {
  browser = new Browser();
});
afterEach(() => browser.close());

const COOKIE = { storage: 'cookie' } as const;

/** Two tabs of alice. */
async function openTwo(): Promise<[Tab, Tab, alice: string]> {
  const first = await browser.openLoggedIn(COOKIE);
  const second = browser.open(COOKIE);
  await second.during(second.client.getSession());
  return [first, second, first.sid];
}

/** Bob logs in, in one of them. */
async function logBobIn(tab: Tab): Promise<string> {
  const response = await browser.server.logIn(browser);
  await tab.during(tab.client.setTokens(response));
  return response.sid;
}

describe('Once bob has logged in', () => {
  test('the refresh of alice that another tab tells of later makes nobody alice again', async () => {
    const [first, second] = await openTwo();
    // As a tab that has not heard of bob yet says it.
    const News = first.surroundings.BroadcastChannel!;
    browser.time.sleep(LIFETIME);
    await first.getAccessToken();
    const told = browser.channels.said.at(-1);
    const bob = await logBobIn(second);
    const channel = new News(`token-family ${new URL('https://api.test/').href}`);
    channel.postMessage(told);
    await browser.time.pass(1);
    channel.close();
    expect(told).toMatchObject({ isLogin: false });
    expect(second.client.session).toEqual({ sid: bob });
    expect(await second.getAccessToken()).toContain(bob);
  });

  test('a request of alice that is refused is not repeated in his name', async () => {
    const [tab] = await openTwo();
    const gate = new Gate();
    browser.server.next('notes', async () => {
      await gate.pass();
      return answered(
        401,
        {},
        { 'www-authenticate': 'Bearer error="invalid_token"' },
      )(() => {
        throw new Error('not asked');
      });
    });
    const answer = tab.client.fetch('/notes', { method: 'PUT', body: 'of alice' });
    await browser.time.until(() => gate.arrived === 1);
    await logBobIn(tab);
    gate.open();
    expect((await tab.during(answer)).status).toBe(401);
    expect(browser.server.requests('notes')).toHaveLength(1);
  });

  test('each tab is told of it before it has his access token', async () => {
    const [first, second] = await openTwo();
    const bob = await logBobIn(second);
    await browser.time.pass(1);
    expect(first.changes.at(-1)).toEqual({ session: { sid: bob }, reason: 'replaced' });
    expect(await first.getAccessToken()).toContain(bob);
  });

  test('his logout, said where the cookie was found to be his, ends his session', async () => {
    const [first, second] = await openTwo();
    browser.channels.areHeard = false;
    const bob = await logBobIn(second);
    browser.time.sleep(LIFETIME);
    await expect(first.getAccessToken()).rejects.toMatchObject({ code: 'ERR_NO_SESSION' });
    await first.during(first.client.logout());
    expect(await browser.server.isAlive(bob)).toBe(false);
  });

  test('the answer to the logout of alice that was under way does not take his cookie', async () => {
    const [tab, , alice] = await openTwo();
    browser.server.next('auth/logout', late(3));
    const logout = tab.client.logout();
    await browser.time.until(() => browser.server.requests('auth/logout').length === 1);
    const bob = await logBobIn(tab);
    await tab.during(logout);
    await browser.time.pass(30);
    expect(browser.cookie).not.toBeNull();
    expect(await browser.server.isAlive(alice)).toBe(false);
    browser.time.sleep(LIFETIME);
    expect(await tab.getAccessToken()).toContain(bob);
  });

  test('a logout of alice that is said twice names her session alone', async () => {
    const [tab] = await openTwo();
    browser.server.always('auth/logout', answered(503));
    const twice = [tab.client.logout(), tab.client.logout()].map((done) => done.catch(() => {}));
    await tab.during(Promise.all(twice));
    const bob = await logBobIn(tab);
    browser.server.calm('auth/logout');
    await browser.time.pass(120);
    expect(await browser.server.isAlive(bob)).toBe(true);
    const named = new Set(browser.server.requests('auth/logout').map(({ body }) => body['sid']));
    expect([...named]).toHaveLength(1);
    expect(tab.client.session).toEqual({ sid: bob });
  });
});

describe('A login beside the last that another tab stores of the session before', () => {
  let first: Tab;
  let second: Tab;
  beforeEach(async () => {
    first = await browser.openLoggedIn();
    second = browser.open();
    await second.during(second.client.getSession());
    browser.time.sleep(LIFETIME);
  });

  /** Bob logs in while the storage is slow with `method`, once. */
  async function logInBeside(method: 'set' | 'remove'): Promise<string> {
    const gate = new Gate();
    browser.storage.before = (called) => (called === method && gate.arrived === 0 ? gate.pass() : undefined);
    const refreshing = first.client.getAccessToken().catch(() => 'of nobody');
    await browser.time.until(() => gate.arrived === 1);
    const response = await browser.server.logIn();
    const login = second.client.setTokens(response);
    await browser.time.pass(1);
    gate.open();
    await second.during(Promise.all([refreshing, login]));
    await browser.time.pass(1);
    return response.sid;
  }

  test('a token, is stored after it, and told of', async () => {
    const bob = await logInBeside('set');
    expect(browser.storage.text).toContain(bob);
    expect(second.changes.at(-1)).toEqual({ session: { sid: bob }, reason: 'login' });
    for (const tab of [first, second]) expect(await tab.getAccessToken()).toContain(bob);
  });

  test('that it is over, is stored after it', async () => {
    await browser.server.revoke(first.client.session!.sid, 'logout');
    const bob = await logInBeside('remove');
    expect(browser.storage.text).toContain(bob);
    expect(await second.getAccessToken()).toContain(bob);
  });
});

describe('A logout', () => {
  test('that another tab tells of wins over the first refresh of a page', async () => {
    const [first, , alice] = await openTwo();
    const page = browser.open(COOKIE);
    const gate = new Gate();
    browser.server.next('auth/refresh', gate.response);
    const found = page.client.getSession();
    await browser.time.until(() => gate.arrived === 1);
    await first.during(first.client.logout());
    gate.open();
    expect(await page.during(found)).toBeNull();
    expect(await browser.server.isAlive(alice)).toBe(false);
  });

  test('that the server has not heard of brings no storm of refreshes', async () => {
    const [first] = await openTwo();
    const page = browser.open(COOKIE);
    const gate = new Gate();
    browser.server.next('auth/refresh', gate.response);
    const found = page.client.getSession();
    await browser.time.until(() => gate.arrived === 1);
    browser.server.always('auth/logout', answered(503));
    const { length } = browser.server.requests('auth/refresh');
    first.client.logout().catch(() => {});
    await browser.time.pass(1);
    gate.open();
    expect(await page.during(found)).toBeNull();
    await browser.time.pass(60);
    expect(browser.server.requests('auth/refresh')).toHaveLength(length);
  });

  test('by who is told of a login in another tab is heeded', async () => {
    const [first, second] = await openTwo();
    await first.during(first.client.logout());
    await browser.time.pass(1);
    second.client.onSessionChange(({ session }) => {
      if (session) second.client.logout().catch(() => {});
    });
    const bob = await logBobIn(first);
    await browser.time.pass(5);
    expect(second.client.session).toBeNull();
    expect(await browser.server.isAlive(bob)).toBe(false);
  });

  test('is told to the server and the tabs, were the client disposed of by who is told here', async () => {
    const [first, second, alice] = await openTwo();
    first.client.onSessionChange(({ session }) => {
      if (!session) first.client.dispose();
    });
    await first.during(first.client.logout().catch(() => {}));
    await browser.time.pass(1);
    expect(second.client.session).toBeNull();
    expect(await browser.server.isAlive(alice)).toBe(false);
  });

  test('is heard where IndexedDB never answers', async () => {
    Object.assign(globalThis, { indexedDB: { open: () => ({}) } });
    const [first, second] = await openTwo();
    await first.during(first.client.logout());
    await browser.time.pass(1);
    expect(second.client.session).toBeNull();
  });
});
