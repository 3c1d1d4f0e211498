import { needAnswered, outcome } from './support/attempts.js';
import { Browser } from './support/browser.js';
import { LIFETIME } from './support/fake-server.js';
import { answered, hanging } from './support/troubles.js';

let browser: Browser;
beforeEach(() => {
  browser = new Browser();
});
afterEach(() => browser.close());

const attempts = () => browser.server.requests('auth/refresh');
describe('With the token in a cookie', () => {
  const storage = 'cookie';

  test('401 without a token means that nobody is logged in', async () => {
    const tab = browser.open({ storage });
    expect(await tab.during(tab.client.getSession())).toBeNull();
    expect(tab.changes).toEqual([]);
    expect(await outcome(tab.getAccessToken())).toBe('ERR_NO_SESSION');
    expect(attempts()).toHaveLength(1);
  });

  test('401 without a token ends a session whose cookie is gone', async () => {
    const tab = await browser.openLoggedIn({ storage });
    browser.cookie = null;
    browser.time.sleep(LIFETIME);
    expect(await outcome(tab.getAccessToken())).toBe('ERR_NO_SESSION');
    expect(tab.reasons).toEqual(['login', 'invalid_grant']);
  });

  test.each<Parameters<typeof answered>>([
    [401, { error: 'unauthorized' }],
    [401, { error: 'unauthorized', error_description: 'Proxy' }],
    [401, { error: 'invalid_token' }],
    [401, '<html>No token was sent</html>'],
    [403, { error: 'unauthorized', error_description: 'No token was sent' }],
    [404, ''],
  ])('%i %j ends nothing, and nobody is taken to be logged out', async (...answer) => {
    const tab = await browser.openLoggedIn({ storage });
    expect(await needAnswered(browser, tab, ...answer)).toMatch(/^ERR_(REFUSED|UNAVAILABLE)$/);
    expect(tab.reasons).toEqual(['login']);
    const later = browser.open({ storage, without: ['BroadcastChannel'] });
    await expect(later.during(later.client.getSession())).rejects.toMatchObject({
      code: expect.stringMatching(/^ERR_(REFUSED|UNAVAILABLE)$/),
    });
    expect(later.client.session).toBeUndefined();
  });

  test('a page that is loaded finds out by one refresh, and its answers are kept by the browser', async () => {
    const { sid } = await browser.openLoggedIn({ storage, without: ['BroadcastChannel'] });
    const tab = browser.open({ storage });
    expect(await tab.during(tab.client.getSession())).toEqual({ sid });
    await tab.getAccessToken();
    expect(attempts()).toHaveLength(1);
    expect(tab.reasons).toEqual(['restored']);
    expect(browser.storage.text).toBeNull();
  });

  test('the cookie of another login ends this session as replaced, and the next one is found', async () => {
    const tab = await browser.openLoggedIn({ storage });
    const { sid } = await browser.server.logIn(browser);
    browser.time.sleep(LIFETIME);
    expect(await outcome(tab.getAccessToken())).toBe('ERR_NO_SESSION');
    expect(tab.changes.at(-1)).toEqual({ session: null, reason: 'replaced' });
    expect(await tab.during(tab.client.getSession())).toEqual({ sid });
  });

  test('answers that are lost cost nothing: the cookie before is good for the same answer', async () => {
    const tab = await browser.openLoggedIn({ storage });
    for (let round = 0; round < 5; round++) {
      browser.time.sleep(LIFETIME);
      browser.server.next('auth/refresh', async (answer) => {
        await answer();
        throw new TypeError('fetch failed');
      });
      await expect(tab.getAccessToken()).resolves.toEqual(expect.any(String));
    }
    expect(tab.reasons).toEqual(['login']);
    expect(browser.server.count('rotated')).toBe(5);
  });
});

test.each([
  ['10 s', 10, []],
  ['5 s without Web Locks, so that it cannot come after what the next one has brought', 5, ['locks']],
] as const)('an answer is waited for %s', async (_, seconds, without) => {
  const tab = await browser.openLoggedIn({ storage: 'cookie', without });
  browser.time.sleep(LIFETIME);
  browser.server.next('auth/refresh', hanging);
  await tab.getAccessToken();
  const [first, second] = browser.server.requests('auth/refresh');
  expect(second!.at - first!.at).toBeGreaterThanOrEqual(seconds);
  expect(second!.at - first!.at).toBeLessThan(seconds + 1);
});
