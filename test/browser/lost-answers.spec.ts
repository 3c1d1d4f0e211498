import { Site } from './site.js';
import type { Visitor } from './visitor.js';

const DAY = 86_400;

describe('a page that only calls fetch', () => {
  let site: Site;
  let visitor: Visitor;
  beforeAll(async () => {
    site = await Site.start();
  });
  afterAll(() => site?.close());
  beforeEach(async () => {
    visitor = await site.visitLoggedIn();
  });
  afterEach(async () => {
    site.front.keepsAlive = false;
    site.front.pass();
    await visitor?.leave();
  });

  const tokenOf = (cookie: string): string => cookie.split('.')[0]!;
  const generation = async (): Promise<number> => (await visitor.everything()).families.at(-1)!.generation;

  /** A refresh whose answer the node gave, and the browser never got. */
  async function losesOne(): Promise<void> {
    site.front.hold();
    const status = visitor.run<number>('statusOf', '/auth/refresh');
    const [answer] = await site.front.held(1);
    expect(answer!.status).toBe(200);
    answer!.lose();
    expect(await status).toBe(0);
    site.front.pass();
  }

  test('refreshes over and over, each time with another token', async () => {
    const tokens = new Set([tokenOf(await visitor.cookie())]);
    for (let round = 1; round <= 10; round++) {
      expect((await visitor.refresh()).status).toBe(200);
      expect(await generation()).toBe(round);
      tokens.add(tokenOf(await visitor.cookie()));
      await site.database.passTime(60);
    }
    expect(tokens.size).toBe(11);
  });

  test.each([
    ['at once', 0],
    ['after the leeway', 60],
    ['days later', 5 * DAY],
  ])('survives an answer that was lost, refreshing again %s', async (_, seconds) => {
    const before = await visitor.cookie();
    await losesOne();
    expect(await visitor.cookie()).toBe(before);
    await site.database.passTime(seconds);
    expect((await visitor.refresh()).status).toBe(200);
    expect(await generation()).toBe(1);
    await site.database.passTime(60);
    expect((await visitor.refresh()).status).toBe(200);
    expect(await generation()).toBe(2);
  });

  test('survives ten lost answers in a row, hours apart, with one rotation', async () => {
    for (let round = 0; round < 10; round++) {
      await losesOne();
      await site.database.passTime(3600);
    }
    expect((await visitor.refresh()).status).toBe(200);
    expect(await generation()).toBe(1);
  });

  test('survives a lost answer after a restart of the browser', async () => {
    await losesOne();
    await site.database.passTime(DAY);
    const jar = await visitor.context.storageState();
    const again = await site.visit(jar);
    expect((await again.refresh()).status).toBe(200);
    await again.leave();
  });

  test('survives that the browser asks again by itself, on a connection that was cut', async () => {
    site.front.keepsAlive = true;
    // A connection that has carried an answer is what Chromium takes for worth a second try.
    expect((await visitor.refresh()).status).toBe(200);
    await site.database.passTime(60);
    site.front.forget();
    site.front.hold();
    const status = visitor.run<number>('statusOf', '/auth/refresh');
    const [lost] = await site.front.held(1);
    site.front.pass();
    lost!.lose();
    expect(await status).toBe(200);
    expect(site.front.seen.map((request) => request.status)).toEqual([200, 200]);
    expect(await generation()).toBe(2);
  });

  test('survives a node that cannot be reached, and goes on when it can', async () => {
    await visitor.context.setOffline(true);
    expect(await visitor.run<number>('statusOf', '/auth/refresh')).toBe(0);
    await visitor.context.setOffline(false);
    expect((await visitor.refresh()).status).toBe(200);
  });

  test('survives being left in the middle: the answer to a page that has gone', async () => {
    site.front.hold();
    const left = visitor.run<number>('statusOf', '/auth/refresh').catch(() => 0);
    const [answer] = await site.front.held(1);
    await visitor.page.reload();
    site.front.pass();
    answer!.release();
    await left;
    await site.database.passTime(60);
    expect((await visitor.refresh()).status).toBe(200);
  });
});
