import type { TokenPair } from 'nestjs-token-family';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { send, type Answer } from '../support/http.js';
import { options, startNode, type TestNode } from '../support/node.js';
import { Wire } from '../support/wire.js';
import { BACKEND, OAuth, oauthOptions } from './fixture.js';

describe.each(['express', 'fastify'] as const)('while the database is away, on %s', (adapter) => {
  let database: TestDatabase;
  let wire: Wire;
  let node: TestNode;
  let oauth: OAuth;
  beforeAll(async () => {
    database = await createDatabase();
    wire = await Wire.to(database.url);
    const settings = options({ ...oauthOptions, database: { lockTimeout: 1, queryTimeout: 2 } });
    node = await startNode({ url: wire.url, options: settings, adapter });
    oauth = new OAuth({ database, node });
  });
  afterAll(async () => {
    // First: of a connection that ended while nothing passed nobody has been told, and the pool would wait for it.
    await wire.close();
    await node.close();
    await database.drop();
  });

  /** The pool may hold connections on which nothing comes back any more, each good for one failure. */
  async function untilAnswered(ask: () => Promise<Answer>): Promise<Answer> {
    for (let tries = 0; ; tries++) {
      const answer = await ask();
      if (answer.status !== 503 || tries === 50) return answer;
    }
  }

  /** At once, as each of them waits for as long as a query may take. */
  test('nothing is spent, revoked or found inactive, and the same request works afterwards', async () => {
    const pairs: TokenPair[] = [];
    for (let count = 0; count < 6; count++) pairs.push(await oauth.login('backend'));
    const [one, two, three, four, five, six] = pairs;
    const asks: (() => Promise<Answer>)[] = [
      () => oauth.refresh(one!.refreshToken, BACKEND),
      () => oauth.refresh(two!.refreshToken, { ...BACKEND, scope: 'read' }),
      () => oauth.introspect(three!.refreshToken),
      () => oauth.introspect(four!.accessToken),
      () => oauth.revoke(five!.refreshToken, BACKEND),
      () => oauth.revoke(six!.accessToken, BACKEND),
    ];
    const before = await oauth.rows();
    wire.isBlackHole = true;
    try {
      for (const answer of await Promise.all(asks.map((ask) => ask()))) {
        expect([answer.status, answer.body['error']]).toEqual([503, 'temporarily_unavailable']);
        expect(answer.headers.get('retry-after')).toBe('1');
        expect(answer.headers.get('cache-control')).toBe('no-store');
      }
    } finally {
      wire.heal();
    }
    expect(await oauth.rows()).toEqual(before);
    for (const ask of asks) expect((await untilAnswered(ask)).status).toBe(200);
    expect(await Promise.all([one, three, four, five, six].map((pair) => oauth.reasonOf(pair!.sid)))).toEqual(
      [...Array<null>(3).fill(null), ...Array<string>(2).fill('logout')],
    );
  });

  test('who is nobody, and what is nothing, is answered all the same', async () => {
    const { refreshToken } = await oauth.login('backend');
    wire.isBlackHole = true;
    try {
      expect((await oauth.refresh(refreshToken, { client_id: 'backend' })).status).toBe(401);
      expect((await oauth.refresh('garbage')).body['error']).toBe('invalid_grant');
      expect((await oauth.revoke('garbage')).status).toBe(200);
      expect((await oauth.introspect('garbage')).body).toEqual({ active: false });
      expect((await send(`${node.url}/oauth/token`, { form: '' })).status).toBe(400);
    } finally {
      wire.heal();
    }
  });
});
