import { Browser } from './support/browser.js';
import { LIFETIME } from './support/fake-server.js';
import { lost } from './support/troubles.js';

const HOUR = 3600;

let browser: Browser;
beforeEach(() => {
  browser = new Browser();
});
afterEach(() => browser.close());

const refreshes = (): number => browser.server.requests('auth/refresh').length;

describe.each([
  ['ahead', 3 * HOUR],
  ['behind', -3 * HOUR],
])('A wall clock that was 3 hours %s from the start', (_, wrong) => {
  test('changes nothing: every token is refreshed in its time, and none is refused', async () => {
    browser.time.setWall(wrong);
    const tab = await browser.openLoggedIn();
    for (let minute = 0; minute < 60; minute++) {
      await browser.time.pass(60);
      expect((await tab.during(tab.client.fetch('/me'))).status).toBe(200);
    }
    expect(refreshes()).toBeGreaterThanOrEqual(13);
    expect(refreshes()).toBeLessThanOrEqual(15);
  });
});

describe('A wall clock that is set while somebody is logged in', () => {
  test('3 hours ahead, costs one refresh, and no more', async () => {
    const tab = await browser.openLoggedIn();
    browser.time.setWall(3 * HOUR);
    for (let times = 0; times < 20; times++) {
      await tab.getAccessToken();
      await browser.time.pass(1);
    }
    expect(refreshes()).toBe(1);
    await browser.time.pass(LIFETIME);
    expect(refreshes()).toBe(2);
  });

  test('3 hours back, changes nothing: the other clock goes on', async () => {
    const tab = await browser.openLoggedIn();
    browser.time.setWall(-3 * HOUR);
    const token = await tab.getAccessToken();
    expect(refreshes()).toBe(0);
    await browser.time.pass(LIFETIME);
    expect(refreshes()).toBe(1);
    expect(await tab.getAccessToken()).not.toBe(token);
  });

  test('to and fro, again and again, costs no more than one refresh a jump', async () => {
    const tab = await browser.openLoggedIn();
    for (let times = 0; times < 10; times++) {
      browser.time.setWall(times % 2 === 0 ? HOUR : -HOUR);
      await browser.time.pass(1);
      expect((await tab.during(tab.client.fetch('/me'))).status).toBe(200);
    }
    expect(refreshes()).toBeLessThanOrEqual(10);
  });
});

describe('A sleep, in which the timers and the monotonic clock stand still', () => {
  test('that a token did not outlive: it is refreshed before the first request is sent', async () => {
    const tab = await browser.openLoggedIn();
    browser.time.sleep(LIFETIME + 1);
    expect((await tab.during(tab.client.fetch('/me'))).status).toBe(200);
    expect(browser.server.seen.map(({ route }) => route)).toEqual(['auth/refresh', 'me']);
  });

  test('is noticed within a minute, even where nobody asks and no event tells', async () => {
    await browser.openLoggedIn({ as: 'bare' });
    browser.time.sleep(2 * LIFETIME);
    await browser.time.pass(60);
    expect(refreshes()).toBe(1);
  });

  test('in the middle of a request: the age of its token counts from when it was asked for', async () => {
    const tab = await browser.openLoggedIn();
    browser.server.next('auth/refresh', async (answer) => {
      const response = await answer();
      browser.time.sleep(LIFETIME - 1);
      return response;
    });
    browser.time.sleep(LIFETIME);
    await tab.getAccessToken();
    await browser.time.pass(1);
    expect((await tab.during(tab.client.fetch('/me'))).status).toBe(200);
    expect(browser.server.requests('me')).toHaveLength(1);
  });
});

describe('While the server is out of reach', () => {
  test('a clock that is set ahead does not use up the patience of who waits', async () => {
    const tab = await browser.openLoggedIn();
    browser.time.sleep(LIFETIME);
    browser.server.next('auth/refresh', lost, lost, lost);
    const token = tab.client.getAccessToken();
    await browser.time.pass(0.01);
    browser.time.setWall(3 * HOUR);
    await tab.during(token);
  });

  test('a clock that is set back does not make a pause longer', async () => {
    const tab = await browser.openLoggedIn();
    browser.time.sleep(LIFETIME);
    browser.server.next('auth/refresh', lost);
    const token = tab.client.getAccessToken();
    await browser.time.pass(0);
    browser.time.setWall(-3 * HOUR);
    await tab.during(token, 1);
  });

  test('a sleep counts as a pause', async () => {
    const tab = await browser.openLoggedIn();
    browser.time.sleep(LIFETIME);
    browser.server.always('auth/refresh', lost);
    await expect(tab.getAccessToken()).rejects.toMatchObject({ code: 'ERR_UNAVAILABLE' });
    browser.server.always('auth/refresh', null);
    browser.time.sleep(60);
    const before = browser.time.now;
    await tab.getAccessToken();
    expect(browser.time.now - before).toBeLessThan(0.1);
  });
});
