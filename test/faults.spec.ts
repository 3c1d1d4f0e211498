import { randomUUID } from 'node:crypto';
import { UnavailableError } from 'nestjs-token-family';
import { OwnPostgres } from './cluster/postgres.js';
import { summary, UNAVAILABLE } from './faults/honest-client.js';
import type { TestDatabase } from './support/database.js';
import { me, refresh, send } from './support/http.js';
import { options, startNode, type TestNode } from './support/node.js';

const HOURS = 3600;

/** Leeway 0: every refresh rotates, and a lost answer is survived by its key alone. */
function strictNode(url: string): Promise<TestNode> {
  const { refreshToken } = options();
  const settings = options({
    refreshToken: { ...refreshToken, leeway: 0 },
    database: { lockTimeout: '1s', queryTimeout: '2s' },
  });
  return startNode({ url, options: settings });
}

describe('PostgreSQL stopped', () => {
  let postgres: OwnPostgres;
  let database: TestDatabase;
  let nodes: TestNode[];

  beforeAll(async () => {
    postgres = await OwnPostgres.start();
    database = await postgres.createDatabase();
    nodes = await Promise.all([strictNode(database.url), strictNode(database.url)]);
  }, 60_000);

  afterAll(async () => {
    for (const node of nodes) await node.close();
    await database.drop();
    await postgres.release();
  });

  it('answers 503 on every route that asks it, and access tokens go on being accepted', async () => {
    const pair = await nodes[0]!.tokens.issue('alice');
    await postgres.stop('immediate');
    const cookie = { 'x-token-carrier': 'cookie', cookie: `__Host-refresh_token=${pair.refreshToken}` };
    const bearer = { authorization: `Bearer ${pair.accessToken}` };
    const { url } = nodes[0]!;
    const answers = [
      await refresh(nodes[0]!, pair.refreshToken),
      await send(`${url}/auth/refresh`, { method: 'POST', headers: cookie }),
      await send(`${url}/auth/logout`, { json: { refresh_token: pair.refreshToken } }),
      await send(`${url}/auth/logout`, { method: 'POST', headers: cookie }),
      await send(`${url}/auth/logout`, { method: 'POST', headers: bearer }),
      await send(`${url}/auth/sessions`, { headers: bearer }),
      await send(`${url}/auth/sessions`, { method: 'DELETE', headers: bearer }),
      await send(`${url}/auth/sessions/${pair.sid}`, { method: 'DELETE', headers: bearer }),
    ];
    const login = nodes[0]!.tokens.issue('alice');
    await expect(login).rejects.toThrow(UnavailableError);
    expect(answers.map(summary)).toEqual(answers.map(() => UNAVAILABLE));
    expect((await me(nodes[0]!, pair.accessToken)).status).toBe(200);
    await postgres.start();
    expect((await refresh(nodes[0]!, pair.refreshToken)).status).toBe(200);
  });

  it('costs no session hours later: a lost refresh is repeated with its key, committed or not', async () => {
    const [committed, lost] = await Promise.all([
      nodes[0]!.tokens.issue('alice'),
      nodes[0]!.tokens.issue('bob'),
    ]);
    const headers = { 'idempotency-key': randomUUID() };
    const unseen = await refresh(nodes[0]!, committed.refreshToken, headers);
    await postgres.stop('immediate');
    expect(summary(await refresh(nodes[0]!, committed.refreshToken, headers))).toEqual(UNAVAILABLE);
    expect(summary(await refresh(nodes[0]!, lost.refreshToken, headers))).toEqual(UNAVAILABLE);
    await postgres.start();
    await database.passTime(8 * HOURS);
    const [first, second] = [
      await refresh(nodes[1]!, committed.refreshToken, headers),
      await refresh(nodes[1]!, lost.refreshToken, headers),
    ];
    expect([first.status, second.status]).toEqual([200, 200]);
    expect(first.body['refresh_token']).toBe(unseen.body['refresh_token']);
  });
});
