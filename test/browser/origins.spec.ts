import { corsOptions } from 'nestjs-token-family';
import { APPLICATION, ATTACKER, FRIEND, Site, SIBLING } from './site.js';
import { call, type PageAnswer, type Visitor } from './visitor.js';

const CARRIER = { 'X-Token-Carrier': 'cookie' };

describe.each(['express', 'fastify'] as const)('R22, R23: on %s', (adapter) => {
  describe('an application that consents to the pages of one other origin', () => {
    let site: Site;
    let visitor: Visitor;
    beforeAll(async () => {
      site = await Site.start({ adapter, origins: [FRIEND], cors: corsOptions([FRIEND]) });
    });
    afterAll(() => site?.close());
    beforeEach(async () => {
      visitor = await site.visitLoggedIn();
    });
    afterEach(() => visitor?.leave());

    async function post(path: string, fields = {}): Promise<PageAnswer> {
      const page = await visitor.context.newPage();
      await page.goto(FRIEND);
      return call(page, 'post', `${APPLICATION}${path}`, fields, CARRIER, 'include');
    }

    test('refreshes for them, with the cookie in the jar of the application', async () => {
      const before = await visitor.cookie();
      expect((await post('/auth/refresh')).status).toBe(200);
      expect(await visitor.cookie()).not.toBe(before);
      expect((await visitor.everything()).families.at(-1)!.generation).toBe(1);
      expect((await visitor.refresh()).status).toBe(200);
    });

    test('logs in and out for them', async () => {
      await visitor.post('/auth/logout');
      expect((await post('/auth/login', { username: 'bob' })).status).toBe(200);
      expect(await visitor.cookies()).toHaveLength(1);
      expect((await post('/auth/logout')).status).toBe(204);
      expect(await visitor.cookies()).toEqual([]);
    });

    test.each([SIBLING, ATTACKER])(
      'does not for those of %s: their question is as far as they get',
      async (origin) => {
        const before = await visitor.everything();
        const page = await visitor.context.newPage();
        await page.goto(origin);
        for (const path of ['/auth/refresh', '/auth/logout', '/auth/login']) {
          site.front.forget();
          expect(await call(page, 'send', `${APPLICATION}${path}`, { headers: CARRIER })).toBe(0);
          expect(site.front.seen.map(({ method }) => method)).toEqual(['OPTIONS']);
        }
        expect(await visitor.everything()).toEqual(before);
      },
    );
  });

  /** `enableCors({ origin: true, credentials: true })` is one line too many, and often written. */
  describe('an application whose CORS setting lets everybody in', () => {
    let site: Site;
    let visitor: Visitor;
    beforeAll(async () => {
      site = await Site.start({ adapter, origins: [FRIEND], cors: { origin: true, credentials: true } });
    });
    afterAll(() => site?.close());
    beforeEach(async () => {
      visitor = await site.visitLoggedIn();
    });
    afterEach(() => visitor?.leave());

    test.each([
      ['the same site, which sends the cookie', SIBLING, true],
      ['another site', ATTACKER, false],
    ])('still refuses pages of %s, and changes nothing', async (_, origin, withCookie) => {
      const before = await visitor.everything();
      const page = await visitor.context.newPage();
      await page.goto(origin);
      for (const path of ['/auth/refresh', '/auth/logout', '/auth/login']) {
        site.front.forget();
        expect(await call(page, 'send', `${APPLICATION}${path}`, { headers: CARRIER })).toBe(403);
        const [asked, request] = site.front.seen;
        expect([asked!.method, request!.method]).toEqual(['OPTIONS', 'POST']);
        expect(request!.headers.cookie !== undefined).toBe(withCookie);
      }
      expect(await visitor.everything()).toEqual(before);
    });

    test('still refuses a page without an origin, even a frame of its own', async () => {
      const before = await visitor.everything();
      for (const origin of [SIBLING, APPLICATION]) {
        const page = await visitor.context.newPage();
        await page.goto(origin);
        for (const path of ['/auth/refresh', '/auth/logout', '/auth/login']) {
          const sent = `{ method: 'POST', credentials: 'include', headers: ${JSON.stringify(CARRIER)} }`;
          site.front.forget();
          await call(page, 'runSandboxed', `fetch('${APPLICATION}${path}', ${sent})`);
          const [, request] = await site.front.saw(2);
          expect(request).toMatchObject({ method: 'POST', status: 403 });
          expect(request!.headers.origin).toBe('null');
        }
      }
      expect(await visitor.everything()).toEqual(before);
    });

    test('lets its own pages, and those of the listed origin, do as they do', async () => {
      expect((await visitor.refresh()).status).toBe(200);
      const page = await visitor.context.newPage();
      await page.goto(FRIEND);
      const answer = await call<PageAnswer>(
        page,
        'post',
        `${APPLICATION}/auth/refresh`,
        {},
        CARRIER,
        'include',
      );
      expect(answer.status).toBe(200);
    });
  });

  test('a form of another page logs nobody in with a cookie', async () => {
    const site = await Site.start({ adapter });
    const newcomer = await site.visit();
    for (const origin of [SIBLING, ATTACKER]) {
      for (const type of ['application/x-www-form-urlencoded', 'text/plain', 'multipart/form-data']) {
        const page = await newcomer.context.newPage();
        await page.goto(origin);
        site.front.forget();
        await call(page, 'submitForm', `${APPLICATION}/auth/login`, type);
        await site.front.saw(1);
      }
    }
    expect(await newcomer.cookies()).toEqual([]);
    await site.close();
  });
});
