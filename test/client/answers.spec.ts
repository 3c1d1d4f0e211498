import { needAnswered, outcome } from './support/attempts.js';
import { Browser, type Tab } from './support/browser.js';
import { LIFETIME } from './support/fake-server.js';
import { answered, Gate, type Trouble } from './support/troubles.js';

let browser: Browser;
beforeEach(() => {
  browser = new Browser();
});
afterEach(() => browser.close());

const attempts = () => browser.server.requests('auth/refresh');
describe('With the token in a storage', () => {
  let tab: Tab & { readonly sid: string };
  beforeEach(async () => {
    tab = await browser.openLoggedIn();
  });

  test('400 invalid_grant ends the session, is told once, and asked no more', async () => {
    const other = browser.open();
    await other.during(other.client.getSession());
    await browser.server.revoke(tab.sid);
    browser.time.sleep(LIFETIME);
    expect(await outcome(tab.getAccessToken())).toBe('ERR_NO_SESSION');
    expect(await outcome(tab.getAccessToken())).toBe('ERR_NO_SESSION');
    await browser.time.pass(2 * LIFETIME);
    expect(attempts()).toHaveLength(1);
    expect(tab.changes).toEqual([
      { session: { sid: tab.sid }, reason: 'login' },
      { session: null, reason: 'invalid_grant' },
    ]);
    expect(browser.storage.text).toBeNull();
    expect(other.reasons).toEqual(['restored', 'invalid_grant']);
  });

  test('400 invalid_grant leaves nothing in the storage, though no other tab is there', async () => {
    expect(await needAnswered(browser, tab, 400, { error: 'invalid_grant' })).toBe('ERR_NO_SESSION');
    expect(browser.storage.text).toBeNull();
  });

  test.each<Parameters<typeof answered>>([
    [401, { error: 'unauthorized', error_description: 'No token was sent' }],
    [401, { error: 'invalid_token' }],
    [401, 'Authorization Required'],
    [403, { error: 'invalid_grant' }],
    [403, '<html>Forbidden</html>'],
    [404, { error: 'not_found' }],
    [400, { error: 'invalid_request' }],
    [400, { error: 'invalid_client' }],
    [400, { message: 'invalid_grant' }],
    [400, 'invalid_grant'],
    [400, '<html>{"error":"invalid_grant"}</html>'],
    [410, { error: 'invalid_grant' }],
    [302, '', { location: 'https://login.test' }],
    [204],
    [200, { error: 'invalid_grant' }],
    [500, { error: 'invalid_grant' }],
  ])('%i %j ends nothing', async (...answer) => {
    expect(await needAnswered(browser, tab, ...answer)).toMatch(/^ERR_(REFUSED|UNAVAILABLE)$/);
    expect(tab.client.session).toEqual({ sid: tab.sid });
    expect(tab.reasons).toEqual(['login']);
    browser.server.always('auth/refresh', null);
    await browser.time.pass(60);
    await tab.getAccessToken();
    expect(new Set(attempts().map(({ headers }) => headers.get('idempotency-key'))).size).toBe(1);
  });

  test('what a repeat would not mend is told at once, as ERR_REFUSED, and tried again later', async () => {
    const before = browser.time.now;
    expect(await needAnswered(browser, tab, 403, { error: 'invalid_request' })).toBe('ERR_REFUSED');
    expect(browser.time.now - before - LIFETIME).toBeLessThan(1);
    const { length } = attempts();
    await browser.time.pass(60);
    expect(attempts().length).toBeGreaterThan(length);
  });

  test('422 key_reused draws a new key, stores it, and repeats with it', async () => {
    const { key, token } = browser.storage.content!;
    browser.time.sleep(LIFETIME);
    const atServer: unknown[] = [];
    const observe: Trouble = (answer) => {
      atServer.push(browser.storage.content!.key);
      return answer();
    };
    browser.server.next('auth/refresh', answered(422, { error: 'key_reused' }), observe);
    await tab.getAccessToken();
    const [first, second] = attempts();
    expect(first!.headers.get('idempotency-key')).toBe(key);
    expect(second!.headers.get('idempotency-key')).not.toBe(key);
    expect(second!.body['refresh_token']).toBe(token);
    expect(atServer).toEqual([second!.headers.get('idempotency-key')]);
  });

  test('a storage whose key belongs to the token before is mended, by the judge itself', async () => {
    const { key } = browser.storage.content!;
    browser.time.sleep(LIFETIME);
    await tab.getAccessToken();
    browser.storage.text = JSON.stringify({ ...browser.storage.content, key });
    browser.time.sleep(LIFETIME);
    await tab.getAccessToken();
    expect(browser.server.count('rotated')).toBe(2);
    expect(tab.reasons).toEqual(['login']);
  });

  test('409 session_mismatch ends this session as replaced', async () => {
    expect(await needAnswered(browser, tab, 409, { error: 'session_mismatch' })).toBe('ERR_NO_SESSION');
    expect(tab.reasons).toEqual(['login', 'replaced']);
  });

  test('the same token again keeps its key', async () => {
    browser.time.sleep(LIFETIME);
    await tab.getAccessToken();
    const kept = browser.storage.text;
    await tab.getAccessToken({ refused: await tab.getAccessToken() });
    expect(browser.server.count('repeated')).toBe(1);
    expect(browser.storage.text).toBe(kept);
  });

  test('invalid_grant for a token that another tab has replaced meanwhile ends nothing', async () => {
    const other = browser.open({ without: ['locks', 'BroadcastChannel'] });
    await other.during(other.client.getSession());
    browser.time.sleep(LIFETIME);
    const gate = new Gate();
    browser.server.next('auth/refresh', async () => {
      await gate.pass();
      return answered(400, { error: 'invalid_grant' })(() => Promise.reject(new Error('unseen')));
    });
    const slow = other.client.getAccessToken();
    await browser.time.until(() => gate.arrived > 0);
    await tab.getAccessToken();
    gate.open();
    expect(await outcome(other.during(slow))).toBe('a token');
    expect(other.client.session).toEqual({ sid: tab.sid });
    expect(other.reasons).toEqual(['restored']);
  });
});
