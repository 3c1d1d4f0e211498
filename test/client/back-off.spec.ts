import { memoryStorage } from 'token-family-client';
import { Browser, type Tab } from './support/browser.js';
import { LIFETIME } from './support/fake-server.js';
import { altered, answered, hanging, lost, unanswered, type Trouble } from './support/troubles.js';

const FIRST = 0.5;
const LONGEST = 30;
const HOUR = 3600;

let browser: Browser;
let tab: Tab;
beforeEach(async () => {
  browser = new Browser();
  tab = await browser.openLoggedIn();
  browser.time.sleep(LIFETIME);
});
afterEach(() => browser.close());

const attempts = () => browser.server.requests('auth/refresh');

const TROUBLES: [string, Trouble][] = [
  ['lost', lost],
  ['answered in vain', unanswered],
  ['never answered', hanging],
  ...[500, 501, 502, 503, 504, 429, 408, 425].map((status): [string, Trouble] => [
    `answered with ${status}`,
    answered(status, { error: 'temporarily_unavailable' }),
  ]),
  ['answered with 503 and the word invalid_grant', answered(503, { error: 'invalid_grant' })],
  ['answered by a page of the network', answered(200, '<html>Accept our terms</html>')],
  ['answered with nothing', altered((_, status) => ['', status])],
  ['answered with half of a text', altered((text, status) => [text.slice(0, text.length / 2), status])],
  [
    'answered without a refresh token',
    altered((text, status) => [JSON.stringify({ ...JSON.parse(text), refresh_token: undefined }), status]),
  ],
  [
    'answered without an access token',
    altered((text, status) => [JSON.stringify({ ...JSON.parse(text), access_token: undefined }), status]),
  ],
];

describe.each(TROUBLES)('A refresh that is %s', (_, trouble) => {
  test('is repeated with the same token and the same key, and nobody is logged out', async () => {
    browser.server.next('auth/refresh', trouble, trouble);
    await tab.getAccessToken();
    expect(attempts()).toHaveLength(3);
    const [first] = attempts();
    for (const { body, headers } of attempts()) {
      expect(body['refresh_token']).toBe(first!.body['refresh_token']);
      expect(headers.get('idempotency-key')).toBe(first!.headers.get('idempotency-key'));
    }
    expect(tab.reasons).toEqual(['login']);
    expect(browser.server.count('rotated')).toBe(1);
  });
});

describe('The pauses between attempts', () => {
  test('double up to half a minute, and each is a random share', async () => {
    browser.server.always('auth/refresh', lost);
    const shares: number[] = [];
    for (let run = 0; run < 10; run++) {
      const before = attempts().length;
      await browser.time.pass(400);
      const times = attempts().slice(before);
      const gaps = times.slice(1).map(({ at }, index) => at - times[index]!.at);
      gaps.forEach((gap, index) => {
        const bound = run === 0 ? Math.min(LONGEST, FIRST * 2 ** index) : LONGEST;
        expect(gap).toBeLessThanOrEqual(bound + 0.01);
        shares.push(gap / bound);
      });
    }
    expect(shares.length).toBeGreaterThan(150);
    const mean = shares.reduce((sum, share) => sum + share) / shares.length;
    expect(Math.abs(mean - 0.5)).toBeLessThan(6 / Math.sqrt(12 * shares.length));
    expect(Math.max(...shares)).toBeGreaterThan(0.9);
  });

  test('begin anew after a success', async () => {
    browser.server.next('auth/refresh', ...Array.from({ length: 12 }, () => lost));
    await browser.time.until(() => browser.server.count('rotated') === 1);
    browser.time.sleep(LIFETIME);
    browser.server.next('auth/refresh', lost);
    await tab.getAccessToken();
    const [last, next] = attempts().slice(-2);
    expect(next!.at - last!.at).toBeLessThanOrEqual(FIRST + 0.1);
  });

  test('are no longer than they were when the network comes back', async () => {
    browser.server.always('auth/refresh', lost);
    await browser.time.pass(600);
    browser.server.always('auth/refresh', null);
    tab.goOnline();
    await browser.time.pass(0.1);
    expect(browser.server.count('rotated')).toBe(1);
  });
});

describe('Retry-After', () => {
  const demanding = (value: string) => answered(503, {}, { 'retry-after': value });

  test.each(['1', '7', '120'])('of %s seconds is honoured: no attempt comes earlier', async (seconds) => {
    browser.server.always('auth/refresh', demanding(seconds));
    void tab.client.getAccessToken().catch(() => {});
    await browser.time.pass(20 * Number(seconds));
    const times = attempts().map(({ at }) => at);
    expect(times.length).toBeGreaterThan(2);
    for (const [index, time] of times.slice(1).entries())
      expect(time - times[index]!).toBeGreaterThanOrEqual(Number(seconds));
  });

  test('is not cut short by the network, a page that is shown, or who asks', async () => {
    browser.server.next('auth/refresh', demanding('120'));
    await expect(tab.getAccessToken()).rejects.toMatchObject({ code: 'ERR_UNAVAILABLE' });
    const before = browser.time.now;
    for (const type of ['online', 'focus', 'pageshow', 'visibilitychange']) {
      tab.fire(type);
      await browser.time.pass(1);
      await expect(tab.getAccessToken()).rejects.toMatchObject({ code: 'ERR_UNAVAILABLE' });
    }
    expect(attempts()).toHaveLength(1);
    await browser.time.until(() => attempts().length === 2);
    expect(browser.time.now - before).toBeGreaterThanOrEqual(119);
  });

  test('of more than an hour is taken for an hour', async () => {
    browser.server.next('auth/refresh', demanding(String(30 * 86_400)));
    await expect(tab.getAccessToken()).rejects.toMatchObject({ code: 'ERR_UNAVAILABLE' });
    await browser.time.pass(HOUR - 60);
    expect(attempts()).toHaveLength(1);
    await browser.time.pass(60 + LONGEST + 60);
    expect(attempts()).toHaveLength(2);
  });

  test.each(['Thu, 01 Jan 2026 12:30:00 GMT', 'soon', '-5', '-Infinity', ''])(
    'that says %p demands nothing, and the pauses are as ever',
    async (value) => {
      browser.server.always('auth/refresh', demanding(value));
      void tab.client.getAccessToken().catch(() => {});
      await browser.time.pass(0.1);
      await browser.time.pass(60);
      expect(attempts().length).toBeGreaterThan(5);
      expect(attempts().length).toBeLessThan(60);
    },
  );

  test.each(['Infinity', '1e400', '0xffffff', '99999999999999999999'])(
    'that says %p is no longer than an hour',
    async (value) => {
      browser.server.next('auth/refresh', demanding(value));
      void tab.client.getAccessToken().catch(() => {});
      await browser.time.pass(HOUR + LONGEST + 60);
      expect(browser.server.count('rotated')).toBeGreaterThanOrEqual(1);
    },
  );

  test('longer than the patience of who asks is told at once', async () => {
    browser.server.next('auth/refresh', demanding('120'));
    const before = browser.time.now;
    const error: unknown = await tab.getAccessToken().catch((thrown: unknown) => thrown);
    expect(browser.time.now - before).toBeLessThan(1);
    expect(error).toMatchObject({ code: 'ERR_UNAVAILABLE', retryAfter: expect.any(Number) });
    const { retryAfter } = error as { retryAfter: number };
    expect(retryAfter).toBeGreaterThanOrEqual(120);
    expect(retryAfter).toBeLessThanOrEqual(121);
    await browser.time.pass(retryAfter);
    await tab.getAccessToken();
  });
});

describe('Who asks while the server is out of reach', () => {
  test('is told when the patience is over, and not earlier', async () => {
    browser.server.always('auth/refresh', lost);
    const before = browser.time.now;
    await expect(tab.getAccessToken()).rejects.toMatchObject({ code: 'ERR_UNAVAILABLE' });
    // A pause that would outlast it is not waited for.
    expect(browser.time.now - before).toBeLessThanOrEqual(30.1);
    expect(attempts().length).toBeGreaterThan(2);
  });

  test('shares the next attempt with everybody else', async () => {
    browser.server.next('auth/refresh', lost, answered(503, {}, { 'retry-after': '5' }));
    const asked: Promise<string>[] = [];
    for (let times = 0; times < 50; times++) {
      asked.push(tab.client.getAccessToken());
      await browser.time.pass(0.1);
    }
    const tokens = await tab.during(Promise.all(asked));
    expect(new Set(tokens).size).toBe(1);
    expect(attempts()).toHaveLength(3);
  });

  test('is told nothing while the token before is good', async () => {
    const other = await browser.openLoggedIn({ storage: memoryStorage(), as: 'bare' });
    browser.server.always('auth/refresh', lost);
    const token = await other.getAccessToken();
    await browser.time.pass(LIFETIME - 10);
    expect(await other.getAccessToken()).toBe(token);
  });
});
