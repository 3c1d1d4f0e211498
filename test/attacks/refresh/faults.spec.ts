import { once } from 'node:events';
import { connect } from 'node:net';
import { randomUUID } from 'node:crypto';
import { connectionsTaken } from '../../support/connections.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { me, send, type Answer } from '../../support/http.js';
import { options, startNode, type TestNode } from '../../support/node.js';
import { lockFamily, seedFamilies } from '../../support/seed.js';
import { Wire } from '../../support/wire.js';
import {
  byCookie,
  DOORS,
  expectUnspent,
  INVALID_GRANT,
  onBothRefreshing,
  present,
  refusalOf,
  rowOf,
} from './fixture.js';

const token = ({ body }: Answer) => String(body['refresh_token']);

/** Busy or broken: what to do, and nothing taken away. */
function expectUnavailable({ status, headers, body }: Answer): void {
  expect([status, body['error'], headers.get('set-cookie')]).toEqual([503, 'temporarily_unavailable', null]);
  expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
}

describe.each(['express', 'fastify'] as const)('behind a wire, on %s', (adapter) => {
  let database: TestDatabase;
  let wire: Wire;
  let node: TestNode;
  beforeAll(async () => {
    database = await createDatabase();
    wire = await Wire.to(database.url);
    const given = options({
      database: { lockTimeout: 0.2, queryTimeout: 1 },
      revocation: { maxStaleness: '1h' },
    });
    node = await startNode({ adapter, url: wire.url, options: given, poolSize: 2 });
  });
  afterAll(async () => {
    await node.close();
    await wire.close();
    await database.drop();
  });

  test.each(DOORS)(
    'R27 without the database %s is unavailable, and the token is good afterwards',
    async (door) => {
      const pair = await node.tokens.issue('alice');
      wire.isRefusing = true;
      await database.query(`select pg_terminate_backend(pid) from pg_stat_activity
                          where datname = current_database() and pid <> pg_backend_pid()`);
      expectUnavailable(await present(node, door, pair.refreshToken));
      expectUnavailable(
        await send(`${node.url}/auth/refresh`, { method: 'POST', headers: byCookie(pair.refreshToken) }),
      );
      expect((await me(node, pair.accessToken)).status).toBe(200);
      wire.isRefusing = false;
      expect((await present(node, door, pair.refreshToken)).status).toBe(200);
    },
  );

  test.each(DOORS)(
    'R28 with every connection busy %s is unavailable, and the token is good afterwards',
    async (door) => {
      const pair = await node.tokens.issue('alice');
      const place = (await database.query('select from refresh_token where family_id < $1', [pair.sid]))
        .length;
      const source = await database.connect();
      const release = await lockFamily(source, place);
      const uses = await Promise.all(Array.from({ length: 8 }, () => present(node, door, pair.refreshToken)));
      uses.forEach(expectUnavailable);
      await release();
      expect((await present(node, door, pair.refreshToken)).status).toBe(200);
    },
  );
});

onBothRefreshing((world) => {
  /** A request as its bytes, and where they go. */
  function wired(body: string, headers = ''): { port: number; text: string } {
    const { port, host } = new URL(world.nodes[0].url);
    const text = `POST /auth/refresh HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\n${headers}Content-Length: ${body.length}\r\n\r\n${body}`;
    return { port: Number(port), text };
  }

  test('R30 who hangs up after asking, and repeats it with the same key much later, gets the successor', async () => {
    const key = randomUUID();
    const { port, text } = wired(
      JSON.stringify({ refresh_token: world.pair.refreshToken }),
      `Idempotency-Key: ${key}\r\n`,
    );
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    socket.end(text);
    socket.destroySoon();
    while ((await rowOf(world, world.pair.sid)).generation === 0);
    await world.database.passTime(3600);
    const headers = { 'idempotency-key': key };
    const again = await present(world.nodes[1], '/auth/refresh', world.pair.refreshToken, { headers });
    expect(again.status).toBe(200);
    await world.database.passTime(60);
    expect((await present(world.nodes[0], '/auth/refresh', token(again))).status).toBe(200);
  });

  test('R31 two refreshes pipelined on one connection get one successor', async () => {
    const { port, text } = wired(JSON.stringify({ refresh_token: world.pair.refreshToken }));
    const socket = connect(port, '127.0.0.1');
    socket.write(text + text.replace('Content-Type', 'Connection: close\r\nContent-Type'));
    let received = '';
    socket.on('data', (chunk) => (received += String(chunk)));
    await once(socket, 'close');
    const tokens = [...received.matchAll(/"refresh_token":"([^"]+)"/g)].map(([, each]) => each);
    expect(tokens).toHaveLength(2);
    expect(new Set(tokens).size).toBe(1);
    expect((await rowOf(world, world.pair.sid)).generation).toBe(1);
  });

  test.each([
    ['CL.TE', 'Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG'],
    [
      'TE.CL',
      'Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\nGET /me HTTP/1.1\r\n\r\n0\r\n\r\n',
    ],
    ['TE twice', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n'],
    ['CL twice', 'Content-Length: 0\r\nContent-Length: 40\r\n\r\n'],
    ['an obscured TE', 'Transfer-Encoding : chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n'],
  ])('R32 a request smuggled by %s is refused, and its connection closed', async (_, rest) => {
    const { port, host } = new URL(world.nodes[0].url);
    await expectUnspent(world, async () => {
      const socket = connect(Number(port), '127.0.0.1');
      socket.write(`POST /auth/refresh HTTP/1.1\r\nHost: ${host}\r\n${rest}`);
      let received = '';
      socket.on('data', (chunk) => (received += String(chunk)));
      await once(socket, 'close');
      expect(received.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 400']);
    });
  });

  test('R33 of two users who refresh side by side none gets what is the other’s, in 2 × 200 refreshes', async () => {
    const pairs = await Promise.all(['carol', 'dave'].map((name) => world.nodes[0].tokens.issue(name)));
    const run = async ({ sid, subject, refreshToken }: (typeof pairs)[number]) => {
      let current = refreshToken;
      for (let round = 0; round < 200; round++) {
        const answer = await present(
          world.nodes[round % 2 === 0 ? 0 : 1],
          DOORS[round % 3 === 0 ? 1 : 0],
          current,
        );
        expect([answer.status, answer.body['sid']]).toEqual([200, sid]);
        const claims = JSON.parse(
          Buffer.from(String(answer.body['access_token']).split('.')[1]!, 'base64url').toString(),
        ) as { sub: string; sid: string };
        expect([claims.sub, claims.sid]).toEqual([subject, sid]);
        current = token(answer);
      }
    };
    await Promise.all(pairs.map(run));
  });

  test('R35 of 10,000 logins of one user a page is listed, and all end at once', async () => {
    await seedFamilies(world.database, 10_000, { subject: `'bomber'` });
    const { accessToken } = await world.nodes[0].tokens.issue('bomber');
    const headers = { authorization: `Bearer ${accessToken}` };
    const list = await send(`${world.nodes[0].url}/auth/sessions`, { headers });
    expect([list.status, (list.body as unknown as unknown[]).length]).toEqual([200, 1000]);
    const end = await send(`${world.nodes[0].url}/auth/sessions?include=current`, {
      method: 'DELETE',
      headers,
    });
    expect(end.status).toBe(204);
    expect(await world.nodes[0].tokens.sessions('bomber')).toEqual([]);
    await world.database.query(`delete from refresh_token where subject = 'bomber'`);
  });

  test.each(DOORS)(
    'R37 a token of ours whose family is gone costs %s two look-ups by primary key, however often',
    async (door) => {
      const pair = await world.nodes[0].tokens.issue('gone');
      await world.database.query('delete from refresh_token where family_id = $1', [pair.sid]);
      const taken = await connectionsTaken(world.nodes[0], async () => {
        for (let round = 0; round < 50; round++)
          expect(refusalOf(await present(world.nodes[0], door, pair.refreshToken))).toEqual(INVALID_GRANT);
      });
      expect(taken).toBeLessThanOrEqual(100);
    },
  );
});
