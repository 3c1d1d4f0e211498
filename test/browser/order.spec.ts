import type { HeldAnswer } from './front.js';
import { Site } from './site.js';
import type { PageAnswer, Visitor } from './visitor.js';

/** What the jar holds is what arrived last, which need not be what was answered last. */
describe('C3: answers that arrive in another order than they were given', () => {
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
    site.front.pass();
    await visitor?.leave();
  });

  interface Pending {
    readonly held: HeldAnswer;
    readonly arrived: Promise<PageAnswer>;
  }

  /** A refresh that the node has answered, and the browser has not heard of. */
  async function pending(): Promise<Pending> {
    site.front.hold();
    const arrived = visitor.refresh();
    const [held] = await site.front.held(1);
    site.front.pass();
    expect(held!.status).toBe(200);
    return { held: held!, arrived };
  }

  async function deliver({ held, arrived }: Pending): Promise<void> {
    held.release();
    expect((await arrived).status).toBe(200);
  }

  /**
   * Not only the next refresh: the ones after it show that token and key still belong together. Within the leeway any key will
   * do, so the next one comes after it.
   *
   * @param after seconds
   */
  async function goesOn(after = 60): Promise<void> {
    for (const seconds of [after, 0, 3600]) {
      await site.database.passTime(seconds);
      expect((await visitor.refresh()).status).toBe(200);
    }
    const { families } = await visitor.everything();
    expect(families.at(-1)!.revoked_at).toBeNull();
  }

  test.each([
    ['in order', [0, 1]],
    ['in reverse', [1, 0]],
  ])('two of one token, a rotation and its retry, leave a working session: %s', async (_, order) => {
    const answers = [await pending(), await pending()];
    for (const index of order) await deliver(answers[index]!);
    await goesOn();
  });

  test.each([[[0, 1, 2]], [[0, 2, 1]], [[1, 0, 2]], [[1, 2, 0]], [[2, 0, 1]], [[2, 1, 0]]])(
    'three of one token leave a working session: %j',
    async (order) => {
      const answers = [await pending(), await pending(), await pending()];
      for (const index of order) await deliver(answers[index]!);
      await goesOn();
    },
  );

  test.each([
    ['the late one within the leeway', 0],
    ['the late one hours later', 3600],
  ])('a retry that comes after its token was repeated leaves a working session: %s', async (_, seconds) => {
    const late = await pending();
    await deliver(await pending());
    const repeated = await pending();
    await site.database.passTime(seconds);
    await deliver(late);
    await deliver(repeated);
    await goesOn();
  });

  test.each([
    ['in order', [0, 1], 60],
    ['in reverse', [1, 0], 60],
    ['in reverse, and at once', [1, 0], 0],
  ])(
    'a repeat that is overtaken by the next rotation leaves a working session: %s',
    async (_, order, after) => {
      expect((await visitor.refresh()).status).toBe(200);
      const repeated = await pending();
      await site.database.passTime(60);
      const answers = [repeated, await pending()];
      for (const index of order) await deliver(answers[index]!);
      await goesOn(after);
    },
  );

  test('a late repeat, with another one in between, leaves a working session', async () => {
    expect((await visitor.refresh()).status).toBe(200);
    const [first, second] = [await pending(), await pending()];
    await site.database.passTime(60);
    await deliver(await pending());
    await deliver(second);
    await deliver(first);
    await goesOn();
  });

  test('an answer to a tab that was closed in the meantime leaves a working session', async () => {
    const tab = await visitor.openTab();
    site.front.hold();
    const gone = tab.refresh().catch(() => null);
    const [late] = await site.front.held(1);
    site.front.pass();
    await tab.page.close();
    late!.release();
    expect(await gone).toBeNull();
    await goesOn();
  });

  /*
   * The limit that docs/protocol.md states: at most one rotation happens per leeway, so an answer that is older than two
   * of them was on its way for longer than the leeway, and its token is a grandparent. That is theft, whoever sends it.
   */
  test('an answer that two rotations have overtaken ends the session, as a stolen token would', async () => {
    expect((await visitor.refresh()).status).toBe(200);
    const late = await pending();
    for (let round = 0; round < 2; round++) {
      await site.database.passTime(60);
      expect((await visitor.refresh()).status).toBe(200);
    }
    await deliver(late);
    const refused = await visitor.refresh();
    expect(refused.status).toBe(400);
    expect(JSON.parse(refused.body)).toMatchObject({ error: 'invalid_grant' });
    expect(await visitor.cookies()).toEqual([]);
  });

  test('an answer that arrives after a logout leaves a cookie that opens nothing', async () => {
    const late = await pending();
    expect((await visitor.post('/auth/logout')).status).toBe(204);
    expect(await visitor.cookies()).toEqual([]);
    await deliver(late);
    expect(await visitor.cookies()).toHaveLength(1);
    expect((await visitor.refresh()).status).toBe(400);
    expect(await visitor.cookies()).toEqual([]);
  });
});
