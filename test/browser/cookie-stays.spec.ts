import { Site } from './site.js';
import type { PageAnswer, Visitor } from './visitor.js';

const DAY = 86_400;

describe.each(['express', 'fastify'] as const)('the cookie in the jar, on %s', (adapter) => {
  let site: Site;
  let visitor: Visitor;
  beforeAll(async () => {
    site = await Site.start({ adapter });
  });
  afterAll(() => site?.close());
  beforeEach(async () => {
    visitor = await site.visitLoggedIn();
  });
  afterEach(() => visitor?.leave());

  /** What `send` is answered while another connection holds the row, until the node gives up. */
  async function whileLocked(send: () => Promise<PageAnswer>): Promise<PageAnswer> {
    const source = await site.database.connect({ poolSize: 1 });
    const runner = source.createQueryRunner();
    await runner.startTransaction();
    await runner.query('select 1 from refresh_token for update');
    try {
      return await send();
    } finally {
      await runner.rollbackTransaction();
      await runner.release();
    }
  }

  /** A client that is too busy to be asked anything: the application's own limit, which comes before ours. */
  const tooOften = { 'X-Token-Carrier': 'cookie', 'X-Too-Often': 'yes' };

  test.each<[status: number, what: string, send: () => Promise<PageAnswer>]>([
    [400, 'a token in the body as well', () => visitor.refresh({ refresh_token: 'another' })],
    [400, 'a carrier that nobody knows', () => visitor.refresh({}, { 'X-Token-Carrier': 'pigeon' })],
    [400, 'another client', () => visitor.refresh({ client_id: 'another' })],
    [400, 'JSON that is none', () => visitor.run('postText', '/auth/refresh', 'application/json', '{')],
    [403, 'no carrier header', () => visitor.refresh({}, {})],
    [403, 'a logout without the carrier header', () => visitor.post('/auth/logout', {}, {})],
    [409, 'the session of somebody else', () => visitor.refresh({ sid: 'another' })],
    [413, 'a body that is too long', () => visitor.refresh({ padding: 'x'.repeat(9000) })],
    [415, 'a body of another type', () => visitor.run('postText', '/auth/refresh', 'text/plain')],
    [429, 'a refresh too many', () => visitor.refresh({}, tooOften)],
    [429, 'a logout too many', () => visitor.post('/auth/logout', {}, tooOften)],
    [503, 'a row that is held, for a refresh', () => whileLocked(() => visitor.refresh())],
    [503, 'a row that is held, for a logout', () => whileLocked(() => visitor.post('/auth/logout'))],
  ])('stays and works after a %i that changed nothing: %s', async (status, _, send) => {
    const before = await visitor.everything();
    expect((await send()).status).toBe(status);
    expect(await visitor.everything()).toEqual(before);
    expect((await visitor.refresh()).status).toBe(200);
  });

  test('stays after a 422: its token, with a key that was spent', async () => {
    const [, key] = (await visitor.cookie()).split('.');
    await visitor.refresh();
    const [token] = (await visitor.cookie()).split('.');
    await visitor.putCookie(`${token}.${key}`);
    await site.database.passTime(60);
    const before = await visitor.everything();
    expect((await visitor.refresh()).status).toBe(422);
    expect(await visitor.everything()).toEqual(before);
  });

  test('goes with a logout', async () => {
    expect((await visitor.post('/auth/logout')).status).toBe(204);
    expect(await visitor.cookies()).toEqual([]);
    expect((await visitor.refresh()).status).toBe(401);
  });

  test.each<[what: string, end: () => Promise<unknown>]>([
    ['was not used for too long', () => site.database.passTime(8 * DAY)],
    ['was revoked', () => site.application.tokens.revokeAll('alice')],
    ['is nobody’s any more', () => site.database.query('delete from refresh_token')],
    ['was copied, and reused', reuse],
  ])('goes when its session is over for good: it %s', async (_, end) => {
    await end();
    const refused = await visitor.refresh();
    expect(refused.status).toBe(400);
    expect(JSON.parse(refused.body)).toMatchObject({ error: 'invalid_grant' });
    expect(await visitor.cookies()).toEqual([]);
  });

  /** A thief spends the copy twice: the owner then comes with a grandparent. */
  async function reuse(): Promise<void> {
    let [token] = (await visitor.cookie()).split('.');
    for (let round = 0; round < 2; round++) {
      token = (await site.application.tokens.rotate(token!)).refreshToken;
      await site.database.passTime(60);
    }
  }
});
