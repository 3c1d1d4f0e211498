import { Browser } from './support/browser.js';
import { LIFETIME } from './support/fake-server.js';
import { Gate } from './support/troubles.js';

let browser: Browser;
beforeEach(() => {
  browser = new Browser();
});
afterEach(() => browser.close());

type Method = 'get' | 'set' | 'remove';

/** The next accesses of that kind are held up. */
function hold(method: Method): Gate {
  const gate = new Gate();
  browser.storage.before = (access) => (access === method ? gate.pass() : undefined);
  return gate;
}

/** They fail, each of them. */
function fail(...methods: Method[]): void {
  browser.storage.before = (access) => {
    if (methods.includes(access)) throw new Error(`${access} is forbidden`);
  };
}

describe('A new refresh token is in the storage before', () => {
  test('anybody has the access token that came with it', async () => {
    const tab = await browser.openLoggedIn();
    const other = browser.open();
    await other.during(other.client.getSession());
    const said = browser.channels.said.length;
    browser.time.sleep(LIFETIME);
    const gate = hold('set');
    let isTold = false;
    const asked = tab.client.getAccessToken().then((token) => {
      isTold = true;
      return token;
    });
    await browser.time.until(() => gate.arrived === 1);
    await browser.time.pass(5);
    expect([isTold, browser.channels.said.length]).toEqual([false, said]);
    const before = browser.storage.content!.token;
    gate.open();
    await tab.during(asked);
    expect(browser.storage.content!.token).not.toBe(before);
    await browser.time.pass(1);
    expect(browser.channels.said.length).toBe(said + 1);
  });

  test('a listener or another tab is told of the login', async () => {
    const tab = browser.open();
    const other = browser.open();
    const gate = hold('set');
    const storing = tab.client.setTokens(await browser.server.logIn());
    await browser.time.until(() => gate.arrived === 1);
    await browser.time.pass(5);
    expect([tab.changes, other.changes, browser.channels.said]).toEqual([[], [], []]);
    gate.open();
    await tab.during(storing);
    await browser.time.pass(1);
    expect([tab.reasons, other.reasons]).toEqual([['login'], ['login']]);
  });
});

describe('A storage', () => {
  test('that cannot be written holds what an older login left, and it is not gone back to', async () => {
    const old = await browser.openLoggedIn();
    old.kill();
    fail('set');
    const tab = await browser.openLoggedIn({ without: ['BroadcastChannel'] });
    browser.time.sleep(LIFETIME);
    await tab.getAccessToken();
    expect(tab.client.session).toEqual({ sid: tab.sid });
    expect(tab.reasons).toEqual(['login']);
  });

  test('that cannot be written costs nothing while the tab lives', async () => {
    fail('set', 'remove');
    const tab = await browser.openLoggedIn();
    for (let round = 0; round < 5; round++) {
      browser.time.sleep(LIFETIME);
      expect((await tab.during(tab.client.fetch('/me'))).status).toBe(200);
    }
    expect(browser.server.count('rotated')).toBe(5);
    expect(tab.reasons).toEqual(['login']);
  });

  test('whose text is one token behind is good for the next page, hours later', async () => {
    const tab = await browser.openLoggedIn();
    browser.time.sleep(LIFETIME);
    fail('set');
    await tab.getAccessToken();
    tab.kill();
    browser.storage.before = () => {};
    browser.time.sleep(8 * 3600);
    const next = browser.open();
    expect((await next.during(next.client.fetch('/me'))).status).toBe(200);
    expect(next.client.session).toEqual({ sid: tab.sid });
    expect(browser.server.count('reused')).toBe(0);
  });

  test('that cannot be read says so to who asks, with its reason', async () => {
    fail('get');
    const tab = browser.open();
    for (const asked of [tab.client.getSession(), tab.client.getAccessToken(), tab.client.fetch('/me')]) {
      await expect(tab.during<unknown>(asked)).rejects.toMatchObject({
        code: 'ERR_STORAGE',
        cause: new Error('get is forbidden'),
      });
    }
    expect(browser.server.seen).toEqual([]);
    browser.storage.before = () => {};
    expect(await tab.during(tab.client.getSession())).toBeNull();
  });

  test('that cannot be read any more leaves what is known in memory', async () => {
    const tab = await browser.openLoggedIn();
    fail('get');
    for (let round = 0; round < 3; round++) {
      browser.time.sleep(LIFETIME);
      expect((await tab.during(tab.client.fetch('/me'))).status).toBe(200);
    }
    expect(tab.reasons).toEqual(['login']);
  });

  test('that hangs while it is written holds nobody up for longer than the patience', async () => {
    const tab = await browser.openLoggedIn();
    browser.time.sleep(LIFETIME);
    hold('set');
    const before = browser.time.now;
    await tab.getAccessToken().catch(() => {});
    expect(browser.time.now - before).toBeLessThanOrEqual(31);
  });

  test.each(['', 'null', '{', '{}', '[]', '"text"', '{"token":"t"}', '{"token":"t","key":"k"}', '1'])(
    'with the text %p of somebody else has no session',
    async (text) => {
      browser.storage.text = text;
      const tab = browser.open();
      expect(await tab.during(tab.client.getSession())).toBeNull();
      await expect(tab.getAccessToken()).rejects.toMatchObject({ code: 'ERR_NO_SESSION' });
      await tab.during(tab.client.setTokens(await browser.server.logIn()));
      expect((await tab.during(tab.client.fetch('/me'))).status).toBe(200);
    },
  );

  test('that was emptied by somebody is a logout', async () => {
    const tab = await browser.openLoggedIn();
    browser.storage.text = null;
    browser.time.sleep(LIFETIME);
    await expect(tab.getAccessToken()).rejects.toMatchObject({ code: 'ERR_NO_SESSION' });
    expect(tab.reasons).toEqual(['login', 'logout']);
    expect(browser.server.seen).toEqual([]);
  });
});
