import { ClientSite } from './client-site.js';
import type { HeldAnswer } from '../front.js';
import { CARRIERS, type Profile } from './profile.js';
import type { Asked, Tab } from './tab.js';

const HOUR = 3600;
const REFRESH = '/auth/refresh';

let site: ClientSite;
beforeAll(async () => {
  site = await ClientSite.start();
});
afterAll(() => site?.close());
afterEach(() => site?.leave());

describe.each(CARRIERS)('the tab that refreshes for all, by %s', (carrier) => {
  let profile: Profile;
  let tabs: Tab[];
  let sid: string;
  let generation: number;

  /** Four tabs whose access token is no good any more, and of which the first to refresh waits for its answer. */
  async function begin(
    timeout = 60,
  ): Promise<{ leader: Tab; others: Tab[]; held: HeldAnswer; asked: Promise<Asked[]> }> {
    ({ profile, tabs, sid } = await site.openTabs(4, { carrier, timeout }));
    ({ generation } = await site.family(sid));
    site.front.hold(REFRESH);
    const sender = profile.sender(REFRESH);
    await site.sleep(profile, HOUR);
    const asking = tabs.map((tab) => tab.ask().catch((): Asked => ({ code: 'gone' })));
    const page = await sender;
    const [held] = await site.front.held(1);
    expect(held!.status).toBe(200);
    site.front.pass();
    const others = tabs.filter((tab) => tab.page !== page);
    const asked = Promise.all(asking.filter((_, index) => tabs[index]!.page !== page));
    return { leader: tabs.find((tab) => tab.page === page)!, others, held: held!, asked };
  }

  async function othersGoOn(others: Tab[], asked: Promise<Asked[]>): Promise<void> {
    expect(await asked).toEqual(others.map(() => ({ status: 200, name: 'alice', sid })));
    for (const tab of others) expect((await tab.shown()).at(-1)).toBe(`signed in as ${sid}`);
    expect(await site.family(sid)).toMatchObject({ generation: generation + 1, revoked_at: null });
    await site.sleep(profile, HOUR);
    for (const tab of others) expect((await tab.ask()).status).toBe(200);
    expect(await site.family(sid)).toMatchObject({ generation: generation + 2, revoked_at: null });
  }

  test('is closed before its answer comes: another one asks, and all go on', async () => {
    const { leader, others, held, asked } = await begin();
    await leader.close();
    held.lose();
    await othersGoOn(others, asked);
  });

  test('is closed as its answer comes: the others go on', async () => {
    const { leader, others, held, asked } = await begin();
    held.release();
    await leader.close();
    await othersGoOn(others, asked);
  });

  test('goes to another page in the middle: the others go on', async () => {
    const { leader, others, held, asked } = await begin();
    await leader.page.goto('https://app.token.test/elsewhere');
    held.release();
    await othersGoOn(others, asked);
  });

  test('crashes: the others go on', async () => {
    const { leader, others, held, asked } = await begin();
    const session = await profile.context.newCDPSession(leader.page);
    const crashed = leader.page.waitForEvent('crash');
    // Never answered: who should.
    session.send('Page.crash').catch(() => {});
    await crashed;
    held.lose();
    await asked;
    await leader.close();
    await othersGoOn(others, asked);
  });

  test('is frozen: the others wait for as long as a request may take, and go on', async () => {
    const { leader, others, held, asked } = await begin(2);
    // At a breakpoint nothing in it moves, as in a page that the browser has frozen.
    const session = await profile.context.newCDPSession(leader.page);
    await session.send('Debugger.enable');
    await session.send('Debugger.pause');
    held.release();
    await asked;
    await session.send('Debugger.disable');
    await othersGoOn(others, asked);
    expect((await leader.ask()).status).toBe(200);
  });

  test('loses its answer, and nobody closes it: it asks again, and all go on', async () => {
    const { leader, others, held, asked } = await begin();
    held.lose();
    await othersGoOn(others, asked);
    expect((await leader.ask()).status).toBe(200);
  });
});
