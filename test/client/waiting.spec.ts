import { memoryStorage } from 'token-family-client';
import { Browser, type Tab } from './support/browser.js';
import { LIFETIME } from './support/fake-server.js';
import { Gate } from './support/troubles.js';

let browser: Browser;
beforeEach(() => {
  browser = new Browser();
});
afterEach(() => browser.close());

const refreshes = () => browser.server.requests('auth/refresh').length;

describe('Many who need a token at once', () => {
  test('in one tab share one refresh, and one in many tabs', async () => {
    const first = await browser.openLoggedIn();
    const tabs = [first, ...Array.from({ length: 7 }, () => browser.open())];
    await first.during(Promise.all(tabs.map(({ client }) => client.getSession())));
    for (let round = 1; round <= 5; round++) {
      browser.time.sleep(LIFETIME);
      const all = tabs.flatMap(({ client }) => [client.getAccessToken(), client.getAccessToken()]);
      expect(new Set(await first.during(Promise.all(all))).size).toBe(1);
      expect(refreshes()).toBe(round);
    }
  });

  test('where there are no locks share one refresh as well', async () => {
    const tab = await browser.openLoggedIn({ as: 'bare' });
    browser.time.sleep(LIFETIME);
    const all = Array.from({ length: 50 }, () => tab.client.getAccessToken());
    expect(new Set(await tab.during(Promise.all(all))).size).toBe(1);
    expect(refreshes()).toBe(1);
  });

  test('in tabs that share nothing but the storage harm nobody', async () => {
    const without = ['locks', 'BroadcastChannel'] as const;
    const tabs = [await browser.openLoggedIn({ without })];
    for (let times = 0; times < 7; times++) tabs.push(Object.assign(browser.open({ without }), { sid: '' }));
    for (let round = 0; round < 5; round++) {
      browser.time.sleep(LIFETIME);
      const all = tabs.map(({ client }) => client.getAccessToken());
      await tabs[0]!.during(Promise.all(all));
    }
    expect(browser.server.count('rotated')).toBe(5);
    expect(browser.server.count('reused')).toBe(0);
  });

  test('bring no warning, however many they are', async () => {
    const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
    const tab = await browser.openLoggedIn();
    browser.time.sleep(LIFETIME);
    await tab.during(Promise.all(Array.from({ length: 50 }, () => tab.client.getAccessToken())));
    const warnings = [...warn.mock.calls];
    warn.mockRestore();
    expect(warnings).toEqual([]);
  });
});

describe('A tab', () => {
  test('that hangs with the lock holds the others up for the time-out, and no longer', async () => {
    const first = await browser.openLoggedIn();
    const other = browser.open();
    await other.during(other.client.getSession());
    const gate = new Gate();
    browser.server.next('auth/refresh', gate.request);
    browser.time.sleep(LIFETIME);
    void first.client.getAccessToken().catch(() => {});
    await browser.time.until(() => gate.arrived === 1);
    first.isAlive = false;
    const before = browser.time.now;
    await other.getAccessToken();
    expect(browser.time.now - before).toBeLessThanOrEqual(11);
  });

  test('that dies with the lock gives it to the next', async () => {
    const first = await browser.openLoggedIn();
    const other = browser.open();
    await other.during(other.client.getSession());
    const gate = new Gate();
    browser.server.next('auth/refresh', gate.response);
    browser.time.sleep(LIFETIME);
    void first.client.getAccessToken().catch(() => {});
    await browser.time.until(() => gate.arrived === 1);
    const waiting = other.client.getAccessToken();
    await browser.time.pass(1);
    first.kill();
    await other.during(waiting, 1);
    expect(browser.server.events.map(({ type }) => type)).toEqual(['rotated', 'retried']);
  });

  test('that opens later has the token of the others, or finds the session in the storage', async () => {
    const first = await browser.openLoggedIn();
    const other = browser.open();
    expect(await other.during(other.client.getSession())).toEqual({ sid: first.sid });
    expect(other.reasons).toEqual(['restored']);
    expect((await other.during(other.client.fetch('/me'))).status).toBe(200);
    expect(refreshes()).toBeLessThanOrEqual(1);
  });
});

describe('What the tabs tell each other', () => {
  test('contains no token and no key in the clear', async () => {
    const first = await browser.openLoggedIn();
    const other = browser.open();
    await other.getAccessToken();
    browser.time.sleep(LIFETIME);
    const token = await other.getAccessToken();
    expect(browser.channels.said.length).toBeGreaterThan(1);
    const said = browser.channels.said
      .map((news) => Object.values(news as object).map((part: unknown) => toText(part)))
      .join();
    const { token: refreshToken, key } = browser.storage.content!;
    for (const secret of [token, refreshToken, key]) expect(said).not.toContain(secret);
    expect(said).toContain(first.sid);
  });
});

describe('A page that makes its client twice, as React does', () => {
  test.each(['a moment later', 'before it has read anything'])(
    'and disposes the first one %s has one session and one refresh',
    async (when) => {
      const { sid } = await browser.openLoggedIn();
      browser.time.sleep(LIFETIME);
      const first = browser.open();
      const asked = first.client.getAccessToken().catch(({ code }: { code: string }) => code);
      if (when === 'a moment later') await browser.time.pass(0.01);
      first.client.dispose();
      const second = browser.open();
      const token = await second.getAccessToken();
      expect(await asked).toBe('ERR_DISPOSED');
      expect(token).toContain(sid);
      expect(second.reasons).toEqual(['restored']);
      expect(browser.server.count('rotated')).toBe(1);
      expect(await browser.server.isAlive(sid)).toBe(true);
    },
  );

  test('and keeps both has one refresh for both', async () => {
    const first = await browser.openLoggedIn();
    const second = browser.open();
    await second.getAccessToken();
    browser.time.sleep(LIFETIME);
    const before = refreshes();
    await first.during(Promise.all([first.client.getAccessToken(), second.client.getAccessToken()]));
    expect(refreshes() - before).toBe(1);
  });
});

describe('Two clients with a storage of their own', () => {
  test('know nothing of each other', async () => {
    const open = (): Tab => browser.open({ storage: memoryStorage() });
    const [one, another] = [open(), open()];
    await one.during(one.client.setTokens(await browser.server.logIn()));
    expect(await another.during(another.client.getSession())).toBeNull();
    expect(browser.channels.said).toEqual([]);
  });
});

function toText(part: unknown): string {
  if (part instanceof ArrayBuffer || ArrayBuffer.isView(part))
    return Buffer.from(part as ArrayBuffer).toString('latin1');
  return JSON.stringify(part);
}
