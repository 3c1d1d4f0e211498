import { ClientSite } from './client-site.js';
import { CARRIERS } from './profile.js';
import type { Tab } from './tab.js';

const HOUR = 3600;

let site: ClientSite;
beforeAll(async () => {
  site = await ClientSite.start();
});
afterAll(() => site?.close());
afterEach(() => site?.leave());

describe.each(CARRIERS)('a second client in one page, by %s', (carrier) => {
  let tab: Tab;
  beforeEach(async () => {
    const { profile, tabs } = await site.openTabs(1, { carrier });
    tab = tabs[0]!;
    await site.passTime(HOUR);
    await profile.skipTime(HOUR);
    site.front.hold('/auth/refresh');
  });

  const REPLACE = 'globalThis.first = replaceClient(); undefined';
  const firstAsks = `first.fetch('/me').then(({ status }) => status, ({ code }) => code)`;

  test('goes on when the first is disposed of in the middle of a refresh', async () => {
    const firstAsking = tab.ask();
    const [held] = await site.front.held(1);
    await tab.page.evaluate(REPLACE);
    const secondAsking = tab.ask();
    await tab.page.evaluate('first.dispose()');
    site.front.pass();
    held!.release();
    expect(await firstAsking).toEqual({ code: 'ERR_DISPOSED' });
    expect(await secondAsking).toMatchObject({ status: 200, name: 'alice' });
    expect(await tab.ask()).toMatchObject({ status: 200, name: 'alice' });
  });

  test('may itself be disposed of in the middle of one, and the first goes on', async () => {
    await tab.page.evaluate(REPLACE);
    const secondAsking = tab.ask();
    const [held] = await site.front.held(1);
    const firstAsking = tab.page.evaluate<number>(firstAsks);
    await tab.page.evaluate('client.dispose()');
    site.front.pass();
    held!.release();
    expect(await secondAsking).toEqual({ code: 'ERR_DISPOSED' });
    expect(await firstAsking).toBe(200);
  });

  test('shares one refresh with it', async () => {
    await tab.page.evaluate(REPLACE);
    const asking = [tab.ask(), tab.page.evaluate<number>(firstAsks)];
    const [held] = await site.front.held(1);
    site.front.pass();
    held!.release();
    expect(await Promise.all(asking)).toMatchObject([{ status: 200, name: 'alice' }, 200]);
    expect(site.refreshes().length).toBeLessThanOrEqual(2);
  });
});
