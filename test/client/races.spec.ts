import { Browser, type Tab } from './support/browser.js';
import { LIFETIME } from './support/fake-server.js';
import { Gate, type Trouble } from './support/troubles.js';

let browser: Browser;
afterEach(() => browser.close());

/** The places at which a refresh waits for somebody else, in their order. */
const PLACES = [
  'the first reading of the storage',
  'the request, before the server sees it',
  'the request, when the server has answered',
  'the reading of the storage after the answer',
  'the writing of the storage',
] as const;
const CASES = [
  ...PLACES.map((place) => ['storage', place] as const),
  ['cookie', PLACES[1]] as const,
  ['cookie', PLACES[2]] as const,
];

/** A refresh that stands at one of these places, until the gate is opened. */
interface Standing {
  readonly tab: Tab & { readonly sid: string };
  readonly gate: Gate;
  /** what became of those who wait for its token */
  readonly outcome: Promise<string[]>;
}

async function standAt(place: (typeof PLACES)[number], carrier: 'storage' | 'cookie'): Promise<Standing> {
  browser = new Browser();
  const tab = await browser.openLoggedIn(carrier === 'cookie' ? { storage: 'cookie' } : {});
  browser.time.sleep(LIFETIME);
  const gate = new Gate();
  const once = <T>(pass: () => T) => (gate.arrived === 0 ? pass() : undefined);
  let isAnswered = false;
  browser.storage.before = (method) => {
    const at =
      method === 'set' ? PLACES[4] : method === 'get' ? (isAnswered ? PLACES[3] : PLACES[0]) : undefined;
    return at === place ? once(() => gate.pass()) : undefined;
  };
  const noting: Trouble = async (answer) => {
    if (place === PLACES[1]) await once(() => gate.pass());
    const response = await answer();
    isAnswered = true;
    if (place === PLACES[2]) await once(() => gate.pass());
    return response;
  };
  browser.server.next('auth/refresh', noting);
  const name = ({ code }: { code?: string }) => code ?? 'an error of another kind';
  const wait = (work: Promise<unknown>) => work.then(() => 'a token', name);
  const outcome = Promise.all([
    wait(tab.client.getAccessToken()),
    wait(tab.client.fetch('/me')),
    wait(tab.client.getAccessToken()),
  ]);
  await browser.time.until(() => gate.arrived === 1);
  return { tab, gate, outcome };
}

const afterwards = async ({ tab, gate, outcome }: Standing, work: Promise<unknown>) => {
  await browser.time.pass(1);
  gate.open();
  const [outcomes] = await tab.during(Promise.all([outcome, work.catch((error: unknown) => error)]));
  await browser.time.pass(2 * LIFETIME);
  return outcomes;
};

describe.each(PLACES)('At %s', (place) => {
  test.each([true, false])('a logout in another tab wins (heard at once: %p)', async (areHeard) => {
    const standing = await standAt(place, 'storage');
    const { tab } = standing;
    const { before } = browser.storage;
    browser.storage.before = () => {};
    browser.channels.areHeard = areHeard;
    const other = browser.open({ without: ['locks'] });
    const logout = other.client.logout();
    await browser.time.pass(1);
    browser.storage.before = before;
    await afterwards(standing, logout);
    expect(browser.storage.text).toBeNull();
    await expect(tab.getAccessToken()).rejects.toMatchObject({ code: 'ERR_NO_SESSION' });
    expect(tab.client.session).toBeNull();
    expect(await browser.server.isAlive(tab.sid)).toBe(false);
    const next = browser.open();
    expect(await next.during(next.client.getSession())).toBeNull();
  });
});

describe.each(CASES)('With a %s, at %s', (carrier, place) => {
  test('a logout wins: nobody gets a token, and nothing of the session is left', async () => {
    const standing = await standAt(place, carrier);
    const { tab } = standing;
    const logout = tab.client.logout();
    expect(await afterwards(standing, logout)).toEqual(Array.from({ length: 3 }, () => 'ERR_NO_SESSION'));
    expect(tab.client.session).toBeNull();
    expect(tab.reasons).toEqual(['login', 'logout']);
    expect([browser.storage.text, browser.cookie]).toEqual([null, null]);
    expect(await browser.server.isAlive(tab.sid)).toBe(false);
    await expect(tab.getAccessToken()).rejects.toMatchObject({ code: 'ERR_NO_SESSION' });
    const next = browser.open(carrier === 'cookie' ? { storage: 'cookie' } : {});
    expect(await next.during(next.client.getSession())).toBeNull();
    expect(browser.locks.areFree).toBe(true);
  });

  test('a login wins: what was asked for the session before comes to nothing', async () => {
    const standing = await standAt(place, carrier);
    const { tab } = standing;
    const response = await browser.server.logIn(carrier === 'cookie' ? browser : undefined);
    const outcomes = await afterwards(standing, tab.client.setTokens(response));
    for (const outcome of outcomes) expect(outcome).toBe('ERR_NO_SESSION');
    expect(tab.client.session).toEqual({ sid: response.sid });
    expect(tab.changes.at(-1)).toMatchObject({ session: { sid: response.sid } });
    expect(browser.storage.content?.session.sid).toBe(carrier === 'storage' ? response.sid : undefined);
    expect((await tab.during(tab.client.fetch('/me'))).status).toBe(200);
  });

  test('a logout and a login at once leave the one who has logged in', async () => {
    const standing = await standAt(place, carrier);
    const { tab } = standing;
    const logout = tab.client.logout();
    const response = await browser.server.logIn(carrier === 'cookie' ? browser : undefined);
    const login = tab.client.setTokens(response);
    await afterwards(standing, Promise.all([logout.catch(() => {}), login]));
    expect(tab.client.session).toEqual({ sid: response.sid });
    expect((await tab.during(tab.client.fetch('/me'))).status).toBe(200);
    browser.time.sleep(LIFETIME);
    expect((await tab.during(tab.client.fetch('/me'))).status).toBe(200);
    expect(browser.storage.content?.session.sid).toBe(carrier === 'storage' ? response.sid : undefined);
    // A cookie that was replaced before the server had heard of its end can tell of none.
    expect(await browser.server.isAlive(tab.sid)).toBe(carrier === 'cookie');
  });

  test('dispose ends every wait, lets the lock go, and leaves the session to the next', async () => {
    const standing = await standAt(place, carrier);
    const { tab, gate, outcome } = standing;
    tab.client.dispose();
    await browser.time.pass(1);
    expect(await tab.during(outcome)).toEqual(Array.from({ length: 3 }, () => 'ERR_DISPOSED'));
    gate.open();
    await browser.time.pass(1);
    expect([browser.locks.areFree, browser.time.timers]).toEqual([true, 0]);
    const { sid } = tab;
    browser.storage.before = () => {};
    const next = browser.open(carrier === 'cookie' ? { storage: 'cookie' } : {});
    expect(await next.during(next.client.getSession())).toEqual({ sid });
    browser.time.sleep(8 * 3600);
    expect((await next.during(next.client.fetch('/me'))).status).toBe(200);
    expect(browser.server.count('reused')).toBe(0);
    for (const asked of [
      tab.client.getSession(),
      tab.client.getAccessToken(),
      tab.client.fetch('/me'),
      tab.client.logout(),
    ])
      await expect(tab.during<unknown>(asked)).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
  });
});

describe('A login at whatever moment of a logout', () => {
  test.each(Array.from({ length: 25 }, (_, index) => index))('stays, after %i steps', async (steps) => {
    browser = new Browser();
    const tab = await browser.openLoggedIn();
    const response = await browser.server.logIn();
    const logout = tab.client.logout();
    for (let step = 0; step < steps; step++) await Promise.resolve();
    await tab.during(Promise.all([tab.client.setTokens(response), logout]));
    expect(tab.client.session).toEqual({ sid: response.sid });
    expect(browser.storage.content?.session.sid).toBe(response.sid);
    expect(await browser.server.isAlive(tab.sid)).toBe(false);
  });
});
