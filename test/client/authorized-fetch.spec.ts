import { Browser, type Tab } from './support/browser.js';
import { ORIGIN } from './support/fake-judge.js';
import { LIFETIME, unauthorized } from './support/fake-server.js';
import { answered, Gate, type Trouble } from './support/troubles.js';

const ELSEWHERE = 'https://elsewhere.test';
const ALSO_OURS = 'https://files.test';

let browser: Browser;
let tab: Tab;
beforeEach(async () => {
  browser = new Browser();
  tab = await browser.openLoggedIn({ origins: [ALSO_OURS] });
});
afterEach(() => browser.close());

const asked = () => browser.server.requests('me');
const refreshes = () => browser.server.requests('auth/refresh').length;
const ask = (...request: Parameters<typeof fetch>) => tab.during(tab.client.fetch(...request));
/** Every token that was handed out until now is refused. */
function refuseAllBefore(): void {
  const known = new Set<string>();
  let isNew = false;
  browser.server.refuses = (token) => {
    if (!isNew) known.add(token);
    return known.has(token);
  };
  browser.server.next('auth/refresh', async (answer) => {
    isNew = true;
    return answer();
  });
}

describe('The access token', () => {
  test('goes to the server, and to the origins that were named', async () => {
    for (const url of ['me', '/me', `${ORIGIN}/me`, `${ALSO_OURS}/me`, new URL('/me?a=b#c', ORIGIN)]) {
      expect((await ask(url)).status).toBe(200);
    }
    const [first] = asked();
    expect(first!.headers.get('authorization')).toMatch(/^Bearer access-/);
  });

  test.each([
    ELSEWHERE,
    'http://api.test/me',
    'https://api.test:444/me',
    'https://api.test.elsewhere.test/me',
    'https://api.test@elsewhere.test/me',
    '//elsewhere.test/me',
    'data:text/plain,me',
  ])('does not go to %s: nothing is sent there at all', async (url) => {
    const { length } = browser.server.seen;
    await expect(ask(url)).rejects.toMatchObject({ name: 'TypeError' });
    expect(browser.server.seen).toHaveLength(length);
  });

  test('stays at home where a request names its own Authorization', async () => {
    const headers = { authorization: 'Basic YTpi' };
    await ask(`${ELSEWHERE}/me`, { headers });
    await ask(new Request(`${ELSEWHERE}/me`, { headers }));
    expect(asked().map((request) => request.headers.get('authorization'))).toEqual([
      'Basic YTpi',
      'Basic YTpi',
    ]);
    expect(refreshes()).toBe(0);
  });

  test('is refreshed before a request that it would not outlive', async () => {
    browser.time.sleep(LIFETIME - 4);
    expect((await ask('/me')).status).toBe(200);
    expect(browser.server.seen.map(({ route }) => route)).toEqual(['auth/refresh', 'me']);
  });

  test('that is not there is told, before anything is sent', async () => {
    const stranger = new Browser();
    const { client } = stranger.open();
    await expect(tab.during(client.fetch('/me'))).rejects.toMatchObject({ code: 'ERR_NO_SESSION' });
    expect(stranger.server.seen).toEqual([]);
    await stranger.close();
  });
});

describe('A 401', () => {
  test.each(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])(
    'to %s is followed by one refresh and one repeat',
    async (method) => {
      refuseAllBefore();
      browser.server.next('me', async () => unauthorized('Bearer'));
      expect((await ask('/me', { method })).status).toBe(200);
      expect(asked()).toHaveLength(2);
      expect(refreshes()).toBe(1);
    },
  );

  test.each(['POST', 'PATCH'])('to %s is repeated where the challenge says invalid_token', async (method) => {
    refuseAllBefore();
    const answer = await ask('/me', { method, body: 'once' });
    expect(await answer.json()).toMatchObject({ method, body: 'once' });
    expect(asked()).toHaveLength(2);
  });

  test.each(['POST', 'PATCH'])(
    'to %s that says anything else is the answer: it may have been carried out',
    async (method) => {
      const challenges = ['Bearer', 'Bearer error="insufficient_scope"', 'Basic realm="invalid_token"'];
      for (const challenge of challenges) {
        browser.server.next('me', async () => unauthorized(challenge));
        expect((await ask('/me', { method, body: 'once' })).status).toBe(401);
        await browser.time.pass(31);
      }
      expect(asked()).toHaveLength(3);
    },
  );

  test('to 50 requests at once is followed by one refresh, and each is repeated once', async () => {
    refuseAllBefore();
    const gate = new Gate();
    browser.server.always('me', gate.response);
    const answers = Promise.all(Array.from({ length: 50 }, () => tab.client.fetch('/me')));
    await browser.time.until(() => gate.arrived === 50);
    gate.open();
    for (const { status } of await tab.during(answers)) expect(status).toBe(200);
    expect(refreshes()).toBe(1);
    expect(asked()).toHaveLength(100);
  });

  test('that comes late, for a token replaced long ago, costs no refresh', async () => {
    refuseAllBefore();
    const gate = new Gate();
    browser.server.next('me', gate.response);
    const late = tab.client.fetch('/me');
    await browser.time.until(() => gate.arrived === 1);
    await ask('/me');
    gate.open();
    expect((await tab.during(late)).status).toBe(200);
    expect(refreshes()).toBe(1);
  });

  test('for a token that was replaced in its time does not count as a refusal of the next one', async () => {
    const gate = new Gate();
    browser.server.next('me', async (answer) => {
      await gate.pass();
      return answer();
    });
    const late = tab.client.fetch('/me');
    await browser.time.until(() => gate.arrived === 1);
    await browser.time.pass(LIFETIME);
    gate.open();
    expect((await tab.during(late)).status).toBe(200);
    expect(refreshes()).toBe(1);
    refuseAllBefore();
    expect((await ask('/me')).status).toBe(200);
    expect(refreshes()).toBe(2);
  });

  test('to every fresh token is the answer, and costs a refresh each 30 s at most', async () => {
    browser.server.refuses = () => true;
    for (let second = 0; second < 300; second++) {
      expect((await ask('/me')).status).toBe(401);
      await browser.time.pass(1);
    }
    expect(refreshes()).toBeGreaterThanOrEqual(5);
    expect(refreshes()).toBeLessThanOrEqual(12);
    expect(tab.reasons).toEqual(['login']);
  });

  test('is the answer where no other token can be had', async () => {
    browser.server.refuses = () => true;
    browser.server.always('auth/refresh', answered(503, {}, { 'retry-after': '60' }));
    expect((await ask('/me')).status).toBe(401);
  });

  test.each([200, 403, 404, 500, 503])('is not %i', async (status) => {
    browser.server.always('me', answered(status, {}));
    expect((await ask('/me')).status).toBe(status);
    expect([asked().length, refreshes()]).toEqual([1, 0]);
  });
});

describe('An abort', () => {
  test('ends the wait of its own request, and of no other', async () => {
    browser.time.sleep(LIFETIME);
    const gate = new Gate();
    browser.server.next('auth/refresh', gate.response);
    const reason = new Error('Nobody looks at it any more');
    const abort = new AbortController();
    const mine = tab.client.fetch('/me', { signal: abort.signal });
    const other = tab.client.fetch('/me');
    await browser.time.until(() => gate.arrived === 1);
    abort.abort(reason);
    await expect(tab.during(mine)).rejects.toBe(reason);
    gate.open();
    expect((await tab.during(other)).status).toBe(200);
    expect(asked()).toHaveLength(1);
  });

  test('of the request itself reaches it', async () => {
    const abort = new AbortController();
    const sent: Trouble = () => new Promise(() => {});
    browser.server.next('me', sent);
    const mine = tab.client.fetch(new Request(`${ORIGIN}/me`, { signal: abort.signal }));
    await browser.time.until(() => asked().length === 1);
    abort.abort();
    await expect(tab.during(mine)).rejects.toMatchObject({ name: 'AbortError' });
  });
});
