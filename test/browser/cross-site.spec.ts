import type { Page } from 'playwright-core';
import { ATTACKS, type Attack } from './attacks.js';
import type { Seen } from './front.js';
import { APPLICATION, ATTACKER, Site, SIBLING } from './site.js';
import type { Visitor } from './visitor.js';

const ROUTES = ['/auth/refresh', '/auth/logout'];

describe.each(['express', 'fastify'] as const)('R22, R23: on %s', (adapter) => {
  let site: Site;
  let visitor: Visitor;
  beforeAll(async () => {
    site = await Site.start({ adapter });
    visitor = await site.visitLoggedIn();
  });
  afterAll(() => site?.close());
  afterEach(async () => {
    for (const other of visitor.context.pages()) {
      if (other === visitor.page) continue;
      // A page that is closed while it is on its way somewhere may take the browser's answers to us with it.
      await other.waitForLoadState();
      await other.close();
    }
  });

  /** What reached the node because of an attack on each route, from a page of `origin`. */
  async function attack(origin: string, { launch, leaves }: Attack): Promise<Seen[]> {
    const requests = [];
    let page: Page | undefined;
    for (const path of ROUTES) {
      if (!page || leaves) {
        page = await visitor.context.newPage();
        await page.goto(origin);
      }
      site.front.forget();
      await launch(page, `${APPLICATION}${path}`);
      requests.push(...(await site.front.saw(1)));
      if (leaves) await page.waitForURL(`${APPLICATION}/**`);
    }
    return requests;
  }

  describe.each([
    ['a page of another site', ATTACKER, false],
    ['a page of the same site, to which its cookies are sent', SIBLING, true],
  ])('%s changes nothing', (_, origin, isSameSite) => {
    test.each(ATTACKS.map((one) => [one.name, one] as const))('by %s', async (__, expected) => {
      const before = await visitor.everything();
      const requests = await attack(origin, expected);
      expect(requests.map(({ method, path }) => `${method} ${path}`)).toEqual(
        ROUTES.map((path) => `${expected.sends} ${path}`),
      );
      for (const { headers, status } of requests) {
        expect(headers.cookie !== undefined).toBe(isSameSite && expected.withCookies);
        expect(headers).not.toHaveProperty('x-token-carrier');
        // Of a question before a request, the answer is in the headers: none that consents.
        expect(expected.sends === 'OPTIONS' || (status >= 400 && status < 500)).toBe(true);
      }
      expect(await visitor.everything()).toEqual(before);
    });
  });

  test('and the user it was tried on refreshes as ever', async () => {
    const [before] = (await visitor.everything()).families;
    expect((await visitor.refresh()).status).toBe(200);
    const [after] = (await visitor.everything()).families;
    expect(after!.generation).toBe(before!.generation + 1);
  });
});
