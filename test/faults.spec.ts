import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DataSource } from 'typeorm';
import { UnavailableError } from 'nestjs-token-family';
import { RefreshToken, tokenFamilyMigrations } from 'nestjs-token-family/typeorm';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../src/database/embedded-postgres.js';
import {
  bodyClient,
  cookieClient,
  duringTraffic,
  failuresAmong,
  summary,
  UNAVAILABLE,
} from './faults/honest-client.js';
import { createDatabase, type TestDatabase } from './support/database.js';
import { me, refresh, send } from './support/http.js';
import { options, startNode, type TestNode } from './support/node.js';

const HOURS = 3600;
const POOL_SIZE = 5;
const NAME = 'node_under_test';

/** Leeway 0: every refresh rotates, and a lost answer is survived by its key alone. */
function strictNode(url: string): Promise<TestNode> {
  const { refreshToken } = options();
  const settings = options({
    refreshToken: { ...refreshToken, leeway: 0 },
    database: { lockTimeout: '1s', queryTimeout: '2s' },
  });
  return startNode({ url: `${url}?application_name=${NAME}`, options: settings, poolSize: POOL_SIZE });
}

interface Connections {
  open: number;
  in_transaction: number;
}

async function connectionsOf(database: TestDatabase): Promise<Connections> {
  const [row] = await database.query<Connections>(
    `select count(*)::int as open, count(*) filter (where state like 'idle in transaction%')::int as in_transaction
     from pg_stat_activity where application_name = $1 and datname = current_database()`,
    [NAME],
  );
  return row!;
}

describe('PostgreSQL stopped in mid-traffic', () => {
  let directory: string;
  const servers: EmbeddedPostgres[] = [];
  let database: TestDatabase;
  let nodes: TestNode[];

  async function startServer(): Promise<void> {
    const settings = { fsync: 'off', max_connections: '50' };
    const port = servers[0]?.port;
    servers.push(
      await startEmbeddedPostgres({
        dataDirectory: join(directory, 'data'),
        temporary: true,
        settings,
        ...(port !== undefined && { port }),
      }),
    );
  }

  const crash = (): Promise<void> => servers.at(-1)!.stop('immediate');

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'faults-spec-'));
    await startServer();
    const shared = process.env['TEST_SERVER_URL'];
    process.env['TEST_SERVER_URL'] = servers[0]!.url;
    database = await createDatabase({ empty: true });
    process.env['TEST_SERVER_URL'] = shared;
    const source = new DataSource({
      type: 'postgres',
      url: database.url,
      installExtensions: false,
      entities: [RefreshToken],
      migrations: tokenFamilyMigrations,
    });
    await source.initialize();
    await source.runMigrations();
    await source.destroy();
    nodes = await Promise.all([strictNode(database.url), strictNode(database.url)]);
  }, 60_000);

  afterAll(async () => {
    for (const node of nodes) await node.close();
    await database.drop();
    for (const server of servers) await server.release();
    await rm(directory, { recursive: true, force: true });
  });

  it('logs nobody out: every answer is the successor or 503 with Retry-After, and no cookie is touched', async () => {
    const logins = await Promise.all(Array.from({ length: 8 }, () => nodes[0]!.tokens.issue('alice')));
    const clients = logins.map(({ refreshToken }, index) =>
      index % 2 === 0 ? bodyClient(refreshToken) : cookieClient(refreshToken),
    );
    for (let crashes = 0; crashes < 3; crashes++) {
      await duringTraffic(clients, nodes, async () => {
        await sleep(150);
        await crash();
        await sleep(150);
        await startServer();
        await sleep(150);
      });
    }
    for (const client of clients) {
      expect(failuresAmong(client.answers)).toEqual([UNAVAILABLE]);
      expect((await client.refresh(nodes[0]!)).status).toBe(200);
    }
    const told = nodes.flatMap(({ events }) => events.map(({ type }) => type));
    expect(told.filter((type) => type === 'reused' || type === 'revoked')).toEqual([]);
  });

  it('answers 503 on every route that asks it, and access tokens go on being accepted', async () => {
    const pair = await nodes[0]!.tokens.issue('alice');
    await crash();
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
    await startServer();
    expect((await refresh(nodes[0]!, pair.refreshToken)).status).toBe(200);
  });

  it('costs no session hours later: a lost refresh is repeated with its key, committed or not', async () => {
    const [committed, lost] = await Promise.all([
      nodes[0]!.tokens.issue('alice'),
      nodes[0]!.tokens.issue('bob'),
    ]);
    const headers = { 'idempotency-key': randomUUID() };
    const unseen = await refresh(nodes[0]!, committed.refreshToken, headers);
    await crash();
    expect(summary(await refresh(nodes[0]!, committed.refreshToken, headers))).toEqual(UNAVAILABLE);
    expect(summary(await refresh(nodes[0]!, lost.refreshToken, headers))).toEqual(UNAVAILABLE);
    await startServer();
    await database.passTime(8 * HOURS);
    const [first, second] = [
      await refresh(nodes[1]!, committed.refreshToken, headers),
      await refresh(nodes[1]!, lost.refreshToken, headers),
    ];
    expect([first.status, second.status]).toEqual([200, 200]);
    expect(first.body['refresh_token']).toBe(unseen.body['refresh_token']);
  });

  it('leaks no connection', async () => {
    const { open, in_transaction } = await connectionsOf(database);
    expect(open).toBeLessThanOrEqual(nodes.length * POOL_SIZE);
    expect(in_transaction).toBe(0);
  });
});

describe('Backends ended at random during traffic', () => {
  let database: TestDatabase;
  let nodes: TestNode[];

  beforeAll(async () => {
    database = await createDatabase();
    nodes = await Promise.all([strictNode(database.url), strictNode(database.url)]);
  });

  afterAll(async () => {
    for (const node of nodes) await node.close();
    await database.drop();
  });

  it('log out no client with keys, and leave no connection behind', async () => {
    const logins = await Promise.all(Array.from({ length: 10 }, () => nodes[0]!.tokens.issue('alice')));
    const clients = logins.map(({ refreshToken }, index) =>
      index % 2 === 0 ? bodyClient(refreshToken) : cookieClient(refreshToken),
    );
    const end = `select pg_terminate_backend(pid) from pg_stat_activity
                 where application_name = $1 and datname = current_database() order by random() limit 2`;
    await duringTraffic(clients, nodes, async () => {
      for (let ended = 0; ended < 150; await sleep(5)) ended += (await database.query(end, [NAME])).length;
    });
    expect(failuresAmong(clients.flatMap(({ answers }) => answers))).toEqual([UNAVAILABLE]);
    for (const client of clients) expect((await client.refresh(nodes[0]!)).status).toBe(200);
    const { open, in_transaction } = await connectionsOf(database);
    expect(open).toBeLessThanOrEqual(nodes.length * POOL_SIZE);
    expect(in_transaction).toBe(0);
  });
});
