import { APPLICATION, SIBLING, Site } from './site.js';
import { call, COOKIE_NAME, type Visitor } from './visitor.js';

/** `SIBLING` sets a cookie for the whole site, which the application is then sent as well. */
const DOMAIN = 'Domain=token.test; Path=/';

describe.each(['express', 'fastify'] as const)('R25: a cookie set by a sibling, on %s', (adapter) => {
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

  /** Somebody's own session, which they would like the visitor to go on with. */
  async function strangersToken(): Promise<string> {
    return (await site.application.tokens.issue('mallory')).refreshToken;
  }

  /** In an answer, byte by byte: a header may have more in it than a script could write. */
  async function toss(origin: string, ...cookies: string[]): Promise<void> {
    site.front.serve(`${origin}/tossing`, { headers: { 'set-cookie': cookies }, body: 'tossed' });
    const page = await visitor.context.newPage();
    await page.goto(`${origin}/tossing`);
    await page.close();
  }

  /** The session that the page's next refresh goes on with. */
  async function refreshedSubject(): Promise<string> {
    const { status, body } = await visitor.refresh();
    expect(status).toBe(200);
    const { sid } = JSON.parse(body) as { sid: string };
    const [family] = await site.database.query<{ subject: string }>(
      'select subject from refresh_token where family_id = $1',
      [sid],
    );
    return family!.subject;
  }

  test.each([
    ['for the whole site', `${COOKIE_NAME}=*; Secure; ${DOMAIN}`],
    ['for the routes of refreshing', `${COOKIE_NAME}=*; Secure; Path=/auth; Domain=token.test`],
    ['for itself, in capitals', `${COOKIE_NAME.toUpperCase()}=*; Secure; ${DOMAIN}`],
    ['for itself, in small letters', `${COOKIE_NAME.toLowerCase()}=*; Secure; ${DOMAIN}`],
    ['without a name, as a value that looks like one', `=${COOKIE_NAME}=*; Secure; ${DOMAIN}`],
    ['without a name, after a blank', `= ${COOKIE_NAME}=*; Secure; ${DOMAIN}`],
    ['without a name, after a tab', `=\t${COOKIE_NAME}=*; Secure; ${DOMAIN}`],
    ['without Secure', `${COOKIE_NAME}=*; ${DOMAIN}`],
  ])('cannot have the prefix: the browser refuses one %s', async (_, cookie) => {
    const before = await visitor.everything();
    const token = await strangersToken();
    await toss(SIBLING, cookie.replace('*', token));
    expect((await visitor.everything()).cookies).toEqual(before.cookies);
    expect(await refreshedSubject()).toBe('alice');
  });

  test('cannot have the prefix: the browser refuses one by script', async () => {
    const before = await visitor.everything();
    const page = await visitor.context.newPage();
    await page.goto(SIBLING);
    await call(page, 'writeCookie', `${COOKIE_NAME}=${await strangersToken()}; Secure; ${DOMAIN}`);
    expect((await visitor.everything()).cookies).toEqual(before.cookies);
  });

  test('cannot have the prefix: the browser refuses one of the application itself, over plain HTTP', async () => {
    const before = await visitor.everything();
    const plain = APPLICATION.replace('https:', 'http:');
    await toss(plain, `${COOKIE_NAME}=${await strangersToken()}; Secure; Path=/`, `${COOKIE_NAME}=x; Path=/`);
    expect((await visitor.everything()).cookies).toEqual(before.cookies);
  });

  /* Blanks to one reader and letters to another: what the browser takes for no prefix must be none to us. */
  test.each([
    ['without the prefix', 'refresh_token'],
    ['with another prefix', '__Secure-refresh_token'],
    ['with a no-break space before the prefix', `\u00a0${COOKIE_NAME}`],
    ['with a no-break space in UTF-8 before the prefix', `\u00c2\u00a0${COOKIE_NAME}`],
    ['with an en quad in UTF-8 before the prefix', `\u00e2\u0080\u0080${COOKIE_NAME}`],
    ['with a byte order mark in UTF-8 before the prefix', `\u00ef\u00bb\u00bf${COOKIE_NAME}`],
    ['with a next-line character before the prefix', `\u0085${COOKIE_NAME}`],
    ['in quotes', `"${COOKIE_NAME}"`],
    ['with the version of an old specification', `$Version=1,${COOKIE_NAME}`],
    ['with a comma before the prefix', `x,${COOKIE_NAME}`],
  ])('is passed over, and the session goes on: one %s', async (_, name) => {
    await toss(SIBLING, `${name}=${await strangersToken()}; Secure; ${DOMAIN}`);
    expect(await refreshedSubject()).toBe('alice');
    const [request] = site.front.seen.slice(-1);
    // It did come along: the browser had no reason to refuse it.
    expect(request!.headers.cookie).toContain('; ');
  });

  test('logs nobody in: without a session of their own, it is no session', async () => {
    const newcomer = await site.visit();
    for (const name of ['refresh_token', `\u00a0${COOKIE_NAME}`]) {
      site.front.serve(`${SIBLING}/tossing`, {
        headers: { 'set-cookie': `${name}=${await strangersToken()}; Secure; ${DOMAIN}` },
        body: 'tossed',
      });
      const page = await newcomer.context.newPage();
      await page.goto(`${SIBLING}/tossing`);
    }
    expect((await newcomer.refresh()).status).toBe(401);
    await newcomer.leave();
  });

  test('R24: and one of its own cannot be had twice: two of that name are refused, and neither goes', async () => {
    // Only the application can do this, with an attribute it does not use: the same name in another partition.
    await visitor.page.evaluate(
      `document.cookie = ${JSON.stringify(`${COOKIE_NAME}=${await strangersToken()}; Secure; Path=/; Partitioned`)}`,
    );
    expect(await visitor.cookies()).toHaveLength(2);
    const before = await visitor.everything();
    expect((await visitor.refresh()).status).toBe(400);
    expect((await visitor.post('/auth/logout')).status).toBe(400);
    expect(await visitor.everything()).toEqual(before);
  });
});
