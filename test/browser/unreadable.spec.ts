import { APPLICATION, Site } from './site.js';
import { COOKIE_NAME, type PageAnswer, type Visitor } from './visitor.js';

describe.each(['express', 'fastify'] as const)('after a login by cookie, on %s', (adapter) => {
  let site: Site;
  let visitor: Visitor;
  let login: PageAnswer;
  beforeAll(async () => {
    site = await Site.start({ adapter });
  });
  afterAll(() => site?.close());
  beforeEach(async () => {
    visitor = await site.visit();
    login = await visitor.logIn();
  });
  afterEach(() => visitor?.leave());

  /** The token, its key, and the name they go by. */
  async function secrets(): Promise<string[]> {
    return [...(await visitor.cookie()).split('.'), COOKIE_NAME];
  }

  test('the jar has one refresh cookie: HttpOnly, Secure, SameSite=Strict, of this host and all its paths', async () => {
    expect(login.status).toBe(200);
    const [cookie, ...others] = await visitor.cookies();
    expect(others).toEqual([]);
    expect(cookie).toMatchObject({
      name: COOKIE_NAME,
      value: expect.stringMatching(/^rt1_[\w-]{92}\.[\w-]{22}$/),
      // Without a dot before it: no Domain was given, so no other host of the site is sent it.
      domain: new URL(APPLICATION).host,
      path: '/',
      httpOnly: true,
      secure: true,
      sameSite: 'Strict',
    });
  });

  test('nothing that a script can reach has the refresh token', async () => {
    await visitor.refresh();
    const reached = await visitor.run<string>('everythingInReach');
    expect(reached).toContain('/auth/refresh');
    for (const secret of await secrets()) expect(reached).not.toContain(secret);
  });

  test('no answer shows it, neither to fetch nor to XMLHttpRequest', async () => {
    const answers = [login, await visitor.refresh(), await visitor.run('postByXhr', '/auth/refresh')];
    const seen = JSON.stringify(answers);
    expect(seen).toContain('access_token');
    expect(seen.toLowerCase()).not.toContain('set-cookie');
    expect(seen).not.toContain('rt1_');
    for (const secret of await secrets()) expect(seen).not.toContain(secret);
  });

  test('a script can neither replace it, nor remove it', async () => {
    const before = await visitor.everything();
    await visitor.run('overwriteCookie', COOKIE_NAME);
    expect(await visitor.everything()).toEqual(before);
    expect((await visitor.refresh()).status).toBe(200);
  });

  test('a page in a frame of the application, without its origin, reaches nothing either', async () => {
    expect(await visitor.run<string>('cookieInSandbox')).toBe('refused');
  });
});
