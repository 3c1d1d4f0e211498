import { ClientSite } from './client-site.js';
import { CARRIERS, type Profile } from './profile.js';
import type { Asked, Tab } from './tab.js';

const HOUR = 3600;
const REFRESH = '/auth/refresh';
const LOGOUT = '/auth/logout';

let site: ClientSite;
beforeAll(async () => {
  site = await ClientSite.start();
});
afterAll(() => site?.close());
afterEach(() => site?.leave());

describe.each(CARRIERS)("a login as bob while another tab is alice's, by %s", (carrier) => {
  let profile: Profile;
  let alices: Tab;
  let bobs: Tab;
  beforeEach(async () => {
    const opened = await site.openTabs(2, { carrier });
    profile = opened.profile;
    [alices, bobs] = opened.tabs as [Tab, Tab];
  });

  test("is told to it, and until it is told no request of it is bob's", async () => {
    await alices.page.evaluate(`
      globalThis.answers = [];
      globalThis.asking = (async () => {
        do answers.push(await ask());
        while (answers.at(-1).name !== 'bob');
      })();
      undefined`);
    expect(await bobs.logIn('bob')).toBe(200);
    expect(await bobs.ask()).toMatchObject({ status: 200, name: 'bob' });
    await alices.wasTold('replaced');
    await alices.page.evaluate('asking');
    const answers = await alices.page.evaluate<Asked[]>('answers');
    expect(answers.filter(({ name, isStrangers }) => name === 'bob' && isStrangers)).toEqual([]);
    expect(await bobs.ask()).toMatchObject({ status: 200, name: 'bob' });
  });

  test('outlives a logout of alice that the server had not heard of yet', async () => {
    site.keepBusy(LOGOUT);
    alices.logOut().catch(() => {});
    await bobs.isLoggedOut();
    await site.front.saw(1, LOGOUT);
    expect(await bobs.logIn('bob')).toBe(200);
    site.recover();
    site.forget();
    // The next attempt is due by then. Where bob's login has taken the cookie, there may be none.
    await profile.context.clock.fastForward(60_000);
    if (carrier === 'web') await site.front.saw(1, LOGOUT);
    expect(await bobs.ask()).toMatchObject({ status: 200, name: 'bob' });
    await site.sleep(profile, HOUR);
    for (const tab of [alices, bobs]) expect(await tab.ask()).toMatchObject({ status: 200, name: 'bob' });
  });

  test("is not undone by an answer to alice's refresh that comes after it: whoever asks, asks in the name it was told", async () => {
    await site.passTime(HOUR);
    await profile.skipTime(HOUR);
    site.front.hold(REFRESH);
    const asking = alices.ask();
    const [held] = await site.front.held(1);
    site.front.pass();
    expect(await bobs.logIn('bob')).toBe(200);
    held!.release();
    await asking;
    for (let round = 0; round < 3; round++) {
      await site.sleep(profile, HOUR);
      for (const tab of [alices, bobs]) expect((await tab.ask()).isStrangers).toBeUndefined();
    }
  });

  test('is told to it when it wakes up, if it slept through', async () => {
    await alices.page.evaluate('client.dispose(); undefined');
    expect(await bobs.logIn('bob')).toBe(200);
    await alices.reload();
    expect(await alices.ask()).toMatchObject({ status: 200, name: 'bob' });
    expect(await alices.changes()).not.toContainEqual(expect.objectContaining({ session: null }));
  });
});

describe.each(CARRIERS)('a tab that no message reaches, by %s', (carrier) => {
  test('learns at its next refresh that bob has logged in, and sends nothing in his name before', async () => {
    const { profile, tabs } = await site.openTabs(2, { carrier, without: ['BroadcastChannel'] });
    const [alices, bobs] = tabs as [Tab, Tab];
    expect(await bobs.logIn('bob')).toBe(200);
    const before = await alices.ask();
    expect(before.name ?? 'alice').toBe('alice');
    await site.sleep(profile, HOUR);
    const after = await alices.ask();
    expect(await alices.changes()).toContainEqual(expect.objectContaining({ reason: 'replaced' }));
    expect(after.name).not.toBe('alice');
    expect(await bobs.ask()).toMatchObject({ status: 200, name: 'bob' });
  });
});
