import { ClientSite } from './client-site.js';
import type { Profile } from './profile.js';
import type { Tab } from './tab.js';

const HOUR = 3600;
const MILLISECONDS = 1000;

let site: ClientSite;
beforeAll(async () => {
  site = await ClientSite.start();
});
afterAll(() => site?.close());
afterEach(() => site?.leave());

describe('a device whose clock is not to be trusted', () => {
  let profile: Profile;
  let tab: Tab;

  async function logIn(hours = 0): Promise<void> {
    const opened = await site.openTabs(1, { time: Date.now() + hours * HOUR * MILLISECONDS });
    profile = opened.profile;
    tab = opened.tabs[0]!;
    expect(await tab.ask()).toMatchObject({ status: 200, name: 'alice' });
  }

  const refused = (): number => site.front.seen.filter(({ status }) => status === 401).length;

  describe('sleeps past the life of its access token: the next request is answered, and none was refused', () => {
    beforeEach(() => logIn());
    afterEach(async () => {
      expect(await tab.ask()).toMatchObject({ status: 200, name: 'alice' });
      expect(refused()).toBe(0);
      expect(site.refreshes()).toHaveLength(1);
    });

    test('with a monotonic clock that stood still', async () => {
      await site.passTime(2 * HOUR);
      await profile.skipTime(2 * HOUR);
    });

    test('with one that went on, and a wall clock that was set back meanwhile', async () => {
      await site.sleep(profile, 2 * HOUR);
      await profile.skipTime(-5 * HOUR);
    });

    test('with both', async () => {
      await site.sleep(profile, 2 * HOUR);
    });
  });

  test.each([
    ['3 hours fast', 3],
    ['3 hours slow', -3],
    ['30 years slow', -30 * 365 * 24],
  ])('%s from the beginning: a refresh is asked for when it is due, and not before', async (_, hours) => {
    await logIn(hours);
    for (let round = 0; round < 10; round++) expect((await tab.ask()).status).toBe(200);
    await profile.context.clock.fastForward(200 * MILLISECONDS);
    expect((await tab.ask()).status).toBe(200);
    expect(site.refreshes()).toHaveLength(0);
    await site.sleep(profile, HOUR);
    expect((await tab.ask()).status).toBe(200);
    expect(site.refreshes()).toHaveLength(1);
    expect(refused()).toBe(0);
  });

  test('set forward and back by 3 hours in the middle: one refresh at most each time', async () => {
    await logIn();
    for (const [rounds, hours] of [3, -3, -3, 3].entries()) {
      await site.database.passTime(60);
      await profile.skipTime(hours * HOUR);
      for (let round = 0; round < 5; round++) expect((await tab.ask()).status).toBe(200);
      expect(site.refreshes().length).toBeLessThanOrEqual(rounds + 1);
    }
    expect(refused()).toBe(0);
  });

  test('set forward by 3 hours over and over: in three tabs, one refresh each at most', async () => {
    await logIn();
    const tabs = [tab, await profile.openTab(), await profile.openTab()];
    for (let round = 1; round <= 5; round++) {
      await site.database.passTime(60);
      await profile.skipTime(3 * HOUR);
      for (const each of [...tabs, ...tabs]) expect((await each.ask()).status).toBe(200);
      expect(site.refreshes().length).toBeLessThanOrEqual(3 * round);
    }
  });
});
