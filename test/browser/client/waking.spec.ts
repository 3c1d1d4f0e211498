import { ClientSite } from './client-site.js';
import { CARRIERS, type Profile } from './profile.js';
import type { Tab } from './tab.js';

const HOUR = 3600;

let site: ClientSite;
beforeAll(async () => {
  site = await ClientSite.start();
});
afterAll(() => site?.close());

/* The same tabs throughout: a session lives longer than one night. */
describe.each(CARRIERS)('12 tabs of one session, by %s', (carrier) => {
  let profile: Profile;
  let tabs: Tab[];
  let sid: string;
  let generation: number;
  beforeAll(async () => {
    ({ profile, tabs, sid } = await site.openTabs(12, { carrier }));
  });
  afterAll(() => site?.leave());
  beforeEach(async () => {
    ({ generation } = await site.family(sid));
  });
  afterEach(() => site.forget());

  /** No tab was told of an end, and all have what a node takes for good. */
  async function allGoOn(): Promise<void> {
    const answers = await Promise.all(tabs.map((tab) => tab.ask()));
    expect(answers).toEqual(tabs.map(() => ({ status: 200, name: 'alice', sid })));
    const [first, ...others] = await Promise.all(tabs.map((tab) => tab.shown()));
    expect(first).toEqual(['login', `signed in as ${sid}`]);
    for (const shown of others) expect(shown).toEqual([`signed in as ${sid}`]);
  }

  async function haveRotatedOnce(): Promise<void> {
    expect(site.refreshes().length).toBeLessThanOrEqual(2);
    expect(await site.family(sid)).toMatchObject({ generation: generation + 1, revoked_at: null });
  }

  test('wake up together, and at most two refreshes leave, for one rotation', async () => {
    await site.sleep(profile, HOUR);
    await allGoOn();
    await haveRotatedOnce();
  });

  test('are all asked for a token before any has woken up: the same', async () => {
    await site.passTime(HOUR);
    await profile.skipTime(HOUR);
    await allGoOn();
    await haveRotatedOnce();
  });

  test.each([1, 9, 48])('wake up once more, %i hours later: the same', async (hours) => {
    await site.sleep(profile, hours * HOUR);
    await allGoOn();
    await haveRotatedOnce();
  });

  test('are all told by a server that their token is no good: the same', async () => {
    await site.passTime(HOUR);
    await allGoOn();
    await haveRotatedOnce();
  });

  test('are joined by one more, whose one refresh serves them as well', async () => {
    await site.passTime(HOUR);
    await profile.skipTime(HOUR);
    tabs.push(await profile.openTab());
    await allGoOn();
    await haveRotatedOnce();
  });
});
