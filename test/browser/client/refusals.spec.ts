import { ClientSite } from './client-site.js';
import { APPLICATION } from '../site.js';
import type { Profile } from './profile.js';
import type { Tab } from './tab.js';

const HOUR = 3600;

let site: ClientSite;
beforeAll(async () => {
  site = await ClientSite.start();
  for (const [path, challenge] of [
    ['/never', 'Bearer realm="api", error="invalid_token"'],
    ['/closed', 'Bearer realm="api"'],
  ] as const) {
    const headers = { 'content-type': 'application/json', 'www-authenticate': challenge };
    site.front.serve(`${APPLICATION}${path}`, { status: 401, headers, body: '{}' });
  }
});
afterAll(() => site?.close());
afterEach(() => site?.leave());

describe('a resource that refuses', () => {
  let profile: Profile;
  let tab: Tab;
  let asked: number;
  beforeEach(async () => {
    const opened = await site.openTabs(1);
    profile = opened.profile;
    tab = opened.tabs[0]!;
    await site.database.passTime(60);
    asked = 0;
    tab.page.on('request', (request) => {
      if (['/never', '/closed', '/me'].includes(new URL(request.url()).pathname)) asked++;
    });
  });

  test('every access token, for ever: one repeat for the first request, and no refresh for those after it', async () => {
    for (let round = 1; round <= 11; round++) {
      expect((await tab.ask('/never')).status).toBe(401);
      expect(asked).toBe(round + 1);
    }
    expect(site.refreshes()).toHaveLength(1);
    expect(await tab.ask()).toMatchObject({ status: 200, name: 'alice' });
  });

  test('every access token, in three tabs: one refresh each at most', async () => {
    const tabs = [tab, await profile.openTab(), await profile.openTab()];
    site.forget();
    for (let round = 0; round < 5; round++)
      for (const answer of await Promise.all(tabs.map((each) => each.ask('/never'))))
        expect(answer.status).toBe(401);
    expect(site.refreshes().length).toBeLessThanOrEqual(3);
    for (const each of tabs) expect((await each.shown()).at(-1)).toMatch(/^signed in/);
  });

  test.each([
    ['a GET, for its token', 'GET', '/never', 2],
    ['a GET, for something else', 'GET', '/closed', 2],
    ['a POST, for its token', 'POST', '/never', 2],
    ['a POST, for something else', 'POST', '/closed', 1],
  ])('%s: it is repeated only if it did nothing yet', async (_, method, path, times) => {
    expect((await tab.ask(path, { method })).status).toBe(401);
    expect(asked).toBe(times);
  });

  test('one access token, of a request that was sent once it had expired: the page sees the second answer alone', async () => {
    await site.passTime(HOUR);
    expect(await tab.ask()).toMatchObject({ status: 200, name: 'alice' });
    expect(asked).toBe(2);
    expect(site.refreshes()).toHaveLength(1);
  });
});
