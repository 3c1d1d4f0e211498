import { Browser, type Tab } from './support/browser.js';
import { LIFETIME } from './support/fake-server.js';
import { Gate, hanging } from './support/troubles.js';

/** Of a token that lives 300 seconds; the schedule begins twice as far from its end. */
const MARGIN = 30;
const DRAWS = 300;
const EVENTS = ['pageshow', 'focus', 'visibilitychange', 'online'];

let browser: Browser;
beforeEach(() => {
  browser = new Browser();
});
afterEach(() => browser.close());

const refreshes = (): number => browser.server.requests('auth/refresh').length;
const allDraws = (): number[] => {
  const times = [0, ...browser.server.requests('auth/refresh').map(({ at }) => at - START)];
  return times.slice(1).map((time, index) => time - times[index]!);
};
const START = Date.UTC(2026, 0, 1, 12) / 1000;

describe('A page that is looked at', () => {
  test('refreshes between two margins and one before the end, at a moment drawn anew each time', async () => {
    await browser.openLoggedIn();
    await browser.time.pass(DRAWS * LIFETIME);
    const draws = allDraws();
    expect(draws.length).toBeGreaterThanOrEqual(DRAWS);
    expect(Math.min(...draws)).toBeGreaterThanOrEqual(LIFETIME - 2 * MARGIN);
    expect(Math.max(...draws)).toBeLessThanOrEqual(LIFETIME - MARGIN + 0.001);
    const mean = draws.reduce((sum, draw) => sum + draw) / draws.length;
    // Six deviations of the mean of so many even draws.
    expect(Math.abs(mean - (LIFETIME - 1.5 * MARGIN))).toBeLessThan((6 * MARGIN) / Math.sqrt(12 * DRAWS));
    expect(new Set(draws.map((draw) => Math.round(draw))).size).toBeGreaterThan(MARGIN / 2);
  });

  test.each([1, 10, 299])('refreshes a token of %i s within its second-last tenth', async (lifetime) => {
    browser.server.lifetime = lifetime;
    await browser.openLoggedIn();
    await browser.time.pass(20.5 * lifetime);
    const draws = allDraws();
    expect(draws.length).toBeGreaterThanOrEqual(20);
    expect(Math.min(...draws)).toBeGreaterThanOrEqual(0.8 * lifetime - 0.001);
    expect(Math.max(...draws)).toBeLessThanOrEqual(0.9 * lifetime + 0.002);
  });

  test('uses a token that lives a second', async () => {
    browser.server.lifetime = 1;
    const tab = await browser.openLoggedIn();
    for (let second = 0; second < 10; second++) {
      const { status } = await tab.during(tab.client.fetch('/me'));
      expect(status).toBe(200);
      browser.time.sleep(1);
    }
  });

  test('waits 40 days for the end of a token that lives so long, and asks nothing meanwhile', async () => {
    browser.server.lifetime = 40 * 86_400;
    await browser.openLoggedIn();
    await browser.time.pass(3600);
    browser.time.sleep(39 * 86_400);
    await browser.time.pass(3600);
    expect(refreshes()).toBe(0);
    browser.time.sleep(86_400 - 7200 - 60);
    await browser.time.pass(60);
    expect(refreshes()).toBe(1);
  });

  test('goes on after an attempt that never ends, when its time is over', async () => {
    browser.server.next('auth/refresh', hanging);
    await browser.openLoggedIn();
    const { fired } = browser.time;
    await browser.time.pass(LIFETIME);
    expect(refreshes()).toBe(2);
    expect(browser.server.count('rotated')).toBe(1);
    // It is waited for, and not asked after again and again.
    expect(browser.time.fired - fired).toBeLessThan(30);
  });
});

describe.each([
  ['hidden', (tab: Tab) => tab.hide(), (tab: Tab) => tab.show()],
  ['off line', (tab: Tab) => tab.goOffline(), (tab: Tab) => tab.goOnline()],
])('A page that is %s', (_, leave, comeBack) => {
  test('asks nothing, for however long', async () => {
    const tab = await browser.openLoggedIn();
    leave(tab);
    await browser.time.pass(2 * LIFETIME);
    expect(refreshes()).toBe(0);
  });

  test('asks nothing from the moment a timer of before finds it so', async () => {
    const tab = await browser.openLoggedIn();
    await browser.time.pass(LIFETIME - 2 * MARGIN - 1);
    leave(tab);
    await browser.time.pass(LIFETIME);
    expect(refreshes()).toBe(0);
  });

  test('asks at once when it comes back and a token is due, and otherwise when it is', async () => {
    const tab = await browser.openLoggedIn();
    leave(tab);
    await browser.time.pass(LIFETIME - 2 * MARGIN - 1);
    comeBack(tab);
    await browser.time.pass(0);
    expect(refreshes()).toBe(0);
    leave(tab);
    await browser.time.pass(MARGIN + 1);
    comeBack(tab);
    await browser.time.pass(0);
    expect(refreshes()).toBe(1);
    await browser.time.pass(LIFETIME);
    expect(refreshes()).toBe(2);
  });

  test('gives a good token to whoever asks', async () => {
    const tab = await browser.openLoggedIn();
    leave(tab);
    await browser.time.pass(2 * LIFETIME);
    expect((await tab.during(tab.client.fetch('/me'))).status).toBe(200);
    expect(refreshes()).toBe(1);
  });
});

describe.each(EVENTS)('%s', (type) => {
  test('after a sleep brings a refresh that is due, once', async () => {
    const tab = await browser.openLoggedIn();
    browser.time.sleep(2 * LIFETIME);
    for (let times = 0; times < 5; times++) tab.fire(type);
    await browser.time.pass(0);
    expect(refreshes()).toBe(1);
  });

  test('brings none that is not due', async () => {
    const tab = await browser.openLoggedIn();
    await browser.time.pass(LIFETIME - 2 * MARGIN - 1);
    tab.fire(type);
    await browser.time.pass(0);
    expect(refreshes()).toBe(0);
  });
});

test('A page out of the cache of pages asks the server first: it has heard nothing of the others', async () => {
  const tab = await browser.openLoggedIn();
  const token = await tab.getAccessToken();
  tab.fire('pageshow', { persisted: true });
  expect(await tab.getAccessToken()).not.toBe(token);
  expect(refreshes()).toBe(1);
});

describe('Outside of pages', () => {
  test('a client refreshes ahead of need, too', async () => {
    const tab = await browser.openLoggedIn({ as: 'bare' });
    await browser.time.pass(LIFETIME);
    expect(refreshes()).toBe(1);
    expect(tab.client.session).toEqual({ sid: tab.sid });
  });
});

describe('dispose', () => {
  test('stops the timer and the listeners', async () => {
    const tab = await browser.openLoggedIn();
    const listening = () => EVENTS.map((type) => tab.listening(type));
    expect(listening()).toEqual([1, 1, 1, 1]);
    tab.client.dispose();
    expect([browser.time.timers, ...listening()]).toEqual([0, 0, 0, 0, 0]);
    browser.time.sleep(2 * LIFETIME);
    for (const type of EVENTS) tab.fire(type);
    await browser.time.pass(LIFETIME);
    expect(refreshes()).toBe(0);
  });

  test('stops a refresh under way, and no timer is left', async () => {
    const tab = await browser.openLoggedIn();
    const gate = new Gate();
    browser.server.next('auth/refresh', gate.response);
    await browser.time.until(() => gate.arrived > 0);
    tab.client.dispose();
    await browser.time.pass(0);
    expect(browser.time.timers).toBe(0);
    gate.open();
    await browser.time.pass(LIFETIME);
    expect(refreshes()).toBe(1);
    expect(browser.locks.areFree).toBe(true);
  });
});
