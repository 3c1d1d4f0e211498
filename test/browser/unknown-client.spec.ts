import { Site } from './site.js';
import type { PageAnswer, Visitor } from './visitor.js';

const FORM = 'application/x-www-form-urlencoded';

/** A browser keeps a 401 that challenges for Basic from its page, and asks its user for a password instead. */
describe.each(['express', 'fastify'] as const)(
  'a page that names a client nobody knows, on %s',
  (adapter) => {
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

    const nobody = { client_id: 'nobody' };
    const bearer = { 'X-Token-Carrier': 'cookie', Authorization: 'Bearer mF_9.B5f-4.1JqM' };

    test.each<[place: string, send: () => Promise<PageAnswer>]>([
      ['/auth/refresh', () => visitor.refresh(nobody)],
      ['/auth/refresh, with a secret', () => visitor.refresh({ ...nobody, client_secret: 'x'.repeat(32) })],
      ['/auth/refresh, with its access token', () => visitor.refresh(nobody, bearer)],
      ['/oauth/token', () => visitor.run('postText', '/oauth/token', FORM, 'client_id=nobody')],
      ['/oauth/revoke', () => visitor.run('postText', '/oauth/revoke', FORM, 'client_id=nobody')],
    ])('is told so at %s, and goes on', async (_, send) => {
      const before = await visitor.everything();
      const answer = await send();
      expect([answer.status, JSON.parse(answer.body)]).toMatchObject([401, { error: 'invalid_client' }]);
      expect(await visitor.everything()).toEqual(before);
      expect((await visitor.refresh()).status).toBe(200);
    });
  },
);
