import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { Controller, Get, Logger, UseGuards } from '@nestjs/common';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { WsAdapter } from '@nestjs/platform-ws';
import { Test } from '@nestjs/testing';
import { WebSocketGateway, type OnGatewayConnection } from '@nestjs/websockets';
import {
  AccessGuard,
  ResourceServerModule,
  SocketSessions,
  type ResourceServerOptions,
} from 'nestjs-token-family/resource-server';
import { Clock } from '../../libs/auth/src/core/ports.js';
import { RevocationCheck } from '../../libs/auth/src/core/revocation-ports.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { send } from '../support/http.js';
import { options, startNode, type Adapter, type TestNode } from '../support/node.js';
import { seedFamilies } from '../support/seed.js';
import { connect } from '../support/socket-client.js';
import { startFeed, type Answer, type FakeFeed } from './fake-feed.js';
import { issuerKey, startIssuer, type FakeIssuer, type IssuerKey } from './issuer.js';
import { startProxy, type Proxy } from './proxy.js';

const REPORTS = { id: 'reports', secret: 'a-secret-of-forty-characters-or-a-few-more' };
const QUICK = { pollInterval: 0.05 };

@Controller()
@UseGuards(AccessGuard)
class ReportsController {
  @Get('reports')
  reports(): string[] {
    return [];
  }
}

@WebSocketGateway()
class ReportsGateway implements OnGatewayConnection {
  constructor(private readonly sockets: SocketSessions) {}

  async handleConnection(client: object, request?: IncomingMessage): Promise<void> {
    await this.sockets.accept(client, request);
  }
}

interface Resource {
  readonly port: number;
  readonly sockets: SocketSessions;
  /** moves its monotonic clock: what is known grows old */
  pass(seconds: number): void;
  /** the status of its one route */
  ask(token: string): Promise<number>;
  /** those of `sids` it would refuse, of that issuer */
  refused(sids: readonly string[], iss: string): string[];
  close(): Promise<void>;
}

async function startResource(
  settings: ResourceServerOptions,
  adapter: Adapter = 'express',
): Promise<Resource> {
  let moved = 0;
  const clock: Clock = { now: () => Date.now(), monotonic: () => performance.now() + moved };
  const testing = await Test.createTestingModule({
    imports: [ResourceServerModule.forRoot(settings)],
    controllers: [ReportsController],
    providers: [ReportsGateway],
  })
    .overrideProvider(Clock)
    .useValue(clock)
    .compile();
  const http = adapter === 'fastify' ? new FastifyAdapter() : new ExpressAdapter();
  const app = testing.createNestApplication(http, { logger: false });
  app.useWebSocketAdapter(new WsAdapter(app));
  await app.listen(0, '127.0.0.1');
  const { port } = app.getHttpServer().address() as AddressInfo;
  return {
    port,
    sockets: app.get(SocketSessions),
    pass: (seconds) => void (moved += seconds * 1000),
    ask: async (token) => {
      const headers = { authorization: `Bearer ${token}` };
      return (await send(`http://127.0.0.1:${port}/reports`, { headers })).status;
    },
    refused: (sids, iss) => {
      const check = app.get<RevocationCheck>(RevocationCheck);
      return sids.filter((sid) => check.isRevoked(sid, Date.now(), { iss }));
    },
    close: () => app.close(),
  };
}

/** Asks again until the answer is `status`, for five seconds. */
async function soon(resource: Resource, token: string, status: number): Promise<void> {
  for (const end = Date.now() + 5000; Date.now() < end;) if ((await resource.ask(token)) === status) return;
  expect(await resource.ask(token)).toBe(status);
}

describe.each(['express', 'fastify'] as const)('a service that hears of revocations, on %s', (adapter) => {
  let database: TestDatabase;
  let issuer: TestNode;
  let proxy: Proxy;
  let resource: Resource;
  const settings = (changes: Partial<ResourceServerOptions> = {}): ResourceServerOptions => ({
    issuer: 'https://issuer.test',
    audience: 'https://api.test',
    jwksUri: `${issuer.url}/.well-known/jwks.json`,
    revocations: { uri: `${proxy.url}/auth/revocations`, ...REPORTS },
    revocation: QUICK,
    ...changes,
  });
  beforeAll(async () => {
    database = await createDatabase();
    const changes = { resourceServers: [REPORTS], revocation: QUICK };
    issuer = await startNode({ url: database.url, adapter, options: options(changes) });
  });
  beforeEach(async () => {
    proxy = await startProxy(issuer.url, 1000);
    resource = await startResource(settings(), adapter);
  });
  afterEach(async () => {
    await resource.close();
    await proxy.close();
  });
  afterAll(async () => {
    await issuer.close();
    await database.drop();
  });

  test('refuses the tokens of a session within a poll of its end, and no others', async () => {
    const [dead, alive] = [await issuer.tokens.issue('alice'), await issuer.tokens.issue('alice')];
    expect(await resource.ask(dead.accessToken)).toBe(200);
    await issuer.tokens.revoke(dead.sid);
    await soon(resource, dead.accessToken, 401);
    expect(await resource.ask(alive.accessToken)).toBe(200);
  });

  test('knows when it starts what was revoked before', async () => {
    const pair = await issuer.tokens.issue('alice');
    await issuer.tokens.revoke(pair.sid);
    const late = await startResource(settings(), adapter);
    expect(await late.ask(pair.accessToken)).toBe(401);
    await late.close();
  });

  test('serves while the issuer is out of reach until maxStaleness, then answers 503, and recovers by itself', async () => {
    const { accessToken } = await issuer.tokens.issue('alice');
    proxy.mode = 'cut';
    resource.pass(28);
    expect(await resource.ask(accessToken)).toBe(200);
    resource.pass(3);
    expect(await resource.ask(accessToken)).toBe(503);
    proxy.mode = 'open';
    await soon(resource, accessToken, 200);
  });

  test('learns on its recovery what was revoked meanwhile', async () => {
    const { accessToken, sid } = await issuer.tokens.issue('alice');
    expect(await resource.ask(accessToken)).toBe(200);
    proxy.mode = 'cut';
    await issuer.tokens.revoke(sid);
    resource.pass(31);
    expect(await resource.ask(accessToken)).toBe(503);
    proxy.mode = 'open';
    await soon(resource, accessToken, 401);
  });

  test('grows stale behind a cache that tells old answers again, and is never fresh', async () => {
    const { accessToken, sid } = await issuer.tokens.issue('alice');
    const after = await startResource(settings(), adapter);
    proxy.mode = 'caching';
    await issuer.tokens.revoke(sid);
    // Long enough for both to have asked what the cache then keeps.
    for (const end = Date.now() + 500; Date.now() < end;) await after.ask(accessToken);
    after.pass(31);
    const statuses = new Set<number>();
    for (const end = Date.now() + 500; Date.now() < end;) statuses.add(await after.ask(accessToken));
    expect(statuses).not.toContain(200);
    proxy.mode = 'open';
    await soon(after, accessToken, 401);
    await after.close();
  });

  test('grows stale behind somebody who holds every answer back for longer than the timeout', async () => {
    const changed = { ...QUICK, timeout: 0.3 };
    const other = await startResource(settings({ revocation: changed }), adapter);
    const { accessToken } = await issuer.tokens.issue('alice');
    proxy.mode = 'holding';
    other.pass(31);
    const statuses = new Set<number>();
    for (const end = Date.now() + 1500; Date.now() < end;) statuses.add(await other.ask(accessToken));
    expect([...statuses]).toEqual([503]);
    await other.close();
  });

  test('starts without its issuer, and answers 503 until that is there', async () => {
    proxy.mode = 'cut';
    const early = await startResource(settings(), adapter);
    const { accessToken } = await issuer.tokens.issue('alice');
    expect(await early.ask(accessToken)).toBe(503);
    proxy.mode = 'open';
    await soon(early, accessToken, 200);
    await early.close();
  });

  test('lets tokens pass unchecked when it is stale only by choice, and still refuses what it knows', async () => {
    const changed = { ...QUICK, onStale: 'accept' } as const;
    const other = await startResource(settings({ revocation: changed }), adapter);
    const [dead, alive] = [await issuer.tokens.issue('alice'), await issuer.tokens.issue('alice')];
    await issuer.tokens.revoke(dead.sid);
    await soon(other, dead.accessToken, 401);
    proxy.mode = 'cut';
    other.pass(3600);
    expect(await other.ask(alive.accessToken)).toBe(200);
    expect(await other.ask(dead.accessToken)).toBe(401);
    await other.close();
  });

  test('with a secret the issuer does not know says so once, and answers 503', async () => {
    const errors = jest.spyOn(Logger.prototype, 'error');
    const wrong = {
      uri: `${proxy.url}/auth/revocations`,
      id: 'reports',
      secret: REPORTS.secret.toUpperCase(),
    };
    const other = await startResource(settings({ revocations: wrong }), adapter);
    try {
      const { accessToken } = await issuer.tokens.issue('alice');
      for (const end = Date.now() + 300; Date.now() < end;) expect(await other.ask(accessToken)).toBe(503);
      const told = errors.mock.calls.map(([line]) => String(line));
      expect(told.filter((line) => line.includes('set revocations.id and revocations.secret'))).toHaveLength(
        1,
      );
      expect(told.join()).not.toContain(wrong.secret);
    } finally {
      errors.mockRestore();
      await other.close();
    }
  });
});

describe('of two issuers', () => {
  let issuers: FakeIssuer[];
  let feeds: FakeFeed[];
  let key: IssuerKey;
  let resource: Resource;
  const sid = randomUUID();
  const token = (index: number): Promise<string> => issuers[index]!.token(key, { sid });
  beforeEach(async () => {
    issuers = [await startIssuer(), await startIssuer()];
    feeds = [await startFeed(), await startFeed()];
    key = await issuerKey();
    // One key for both: nothing but their names tells their tokens apart.
    for (const issuer of issuers) issuer.publish(key.jwk);
    resource = await startResource({
      issuers: issuers.map(({ issuer, jwksUri }, index) => {
        const { uri, id, secret } = feeds[index]!;
        return { issuer, jwksUri, audience: 'api', revocations: { uri, id, secret } };
      }),
      revocation: QUICK,
    });
  });
  afterEach(async () => {
    await resource.close();
    await Promise.all([...issuers, ...feeds].map((each) => each.close()));
  });

  test('one ends its own session, and not the other’s of the same id', async () => {
    expect(await resource.ask(await token(0))).toBe(200);
    feeds[0]!.sids = [sid];
    await soon(resource, await token(0), 401);
    expect(await resource.ask(await token(1))).toBe(200);
    feeds[1]!.sids = [sid];
    await soon(resource, await token(1), 401);
  });

  test('one that is out of reach is nothing to the tokens of the other', async () => {
    feeds[0]!.answer = (response) => response.destroy();
    resource.pass(31);
    await soon(resource, await token(1), 200);
    expect(await resource.ask(await token(0))).toBe(503);
    feeds[0]!.answer = feeds[0]!.good;
    await soon(resource, await token(0), 200);
  });

  test('an open socket is closed when its own issuer ends its session', async () => {
    const [one, other] = [
      await connect('ws', resource.port, { authorization: `Bearer ${await token(0)}` }),
      await connect('ws', resource.port, { authorization: `Bearer ${await token(1)}` }),
    ];
    while (resource.sockets.size < 2) await resource.ask('none');
    feeds[0]!.sids = [sid];
    expect(await one.closed).toBe('1008 invalid_token');
    expect(resource.sockets.size).toBe(1);
    feeds[1]!.sids = [sid];
    expect(await other.closed).toBe('1008 invalid_token');
  });
});

describe('an issuer that means harm', () => {
  const stamped =
    (body: () => string | Buffer, headers: Record<string, string> = {}): Answer =>
    (response, request) => {
      response.setHeader(
        'Revocations-Since',
        new URL(request.url!, 'http://feed.test').searchParams.get('since') ?? '0',
      );
      response.setHeader('Revocations-As-Of', Date.now());
      response.setHeader('Revocations-Age', 0);
      for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
      response.end(body());
    };
  const victim = randomUUID();
  const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024, '['));
  const nested = gzipSync(`{"sids":${'['.repeat(5_000_000)}${']'.repeat(5_000_000)}}`);
  let last = 0;

  test.each<[string, RegExp, Answer]>([
    ['64 KiB that would be 64 MiB', /content encoding/, stamped(() => bomb, { 'Content-Encoding': 'gzip' })],
    ['lists in lists, packed', /content encoding/, stamped(() => nested, { 'Content-Encoding': 'gzip' })],
    ['lists in lists', /no page of sids/, stamped(() => `{"sids":${'['.repeat(1_000_000)}`)],
    ['a huge page', /longer than/, stamped(() => `{"sids":["${victim}"]}${' '.repeat(5_000_000)}`)],
    ['a truncated page', /no page of sids/, stamped(() => `{"sids":["${victim}"]`)],
    [
      'pages without end',
      /More is told than 100 pages/,
      stamped(() => `{"sids":[],"next":${(last = Math.max(last, Date.now()) + 1)}}`),
    ],
    ['a page that leads nowhere', /does not lie ahead/, stamped(() => `{"sids":["${victim}"],"next":0}`)],
  ])(
    'by %s ends nobody’s session, stops no other issuer, and is told to the log',
    async (_, reason, answer) => {
      const errors = jest.spyOn(Logger.prototype, 'error');
      const issuers = [await startIssuer(), await startIssuer()] as const;
      const feeds = [await startFeed(), await startFeed()] as const;
      const key = await issuerKey();
      for (const issuer of issuers) issuer.publish(key.jwk);
      const ended = randomUUID();
      feeds[0].answer = answer;
      feeds[1].sids = [ended];
      const resource = await startResource({
        issuers: issuers.map(({ issuer, jwksUri }, index) => {
          const { uri, id, secret } = feeds[index]!;
          return { issuer, jwksUri, audience: 'api', revocations: { uri, id, secret } };
        }),
        revocation: QUICK,
      });
      try {
        expect(await resource.ask(await issuers[1].token(key, { sid: ended }))).toBe(401);
        expect(await resource.ask(await issuers[1].token(key, { sid: victim }))).toBe(200);
        expect(await resource.ask(await issuers[0].token(key, { sid: victim }))).toBe(503);
        const told = (): string[] =>
          errors.mock.calls.map(([entry]) => String(entry)).filter((text) => text.includes(feeds[0].uri));
        for (const end = Date.now() + 5000; told().length === 0 && Date.now() < end;)
          await resource.ask('none');
        feeds[0].answer = feeds[0].good;
        await soon(resource, await issuers[0].token(key, { sid: victim }), 200);
        expect(told()).toEqual([expect.stringMatching(reason)]);
      } finally {
        errors.mockRestore();
        await resource.close();
        await Promise.all([...issuers, ...feeds].map((each) => each.close()));
      }
    },
  );
});

test('a service whose issuer tells nothing of revocations says so once when it starts, with the remedy', async () => {
  const warnings = jest.spyOn(Logger.prototype, 'warn');
  const [issuer, key] = [await startIssuer(), await issuerKey()];
  issuer.publish(key.jwk);
  const { jwksUri } = issuer;
  const resource = await startResource({ issuer: issuer.issuer, jwksUri, audience: 'api' });
  try {
    expect(await resource.ask(await issuer.token(key))).toBe(200);
    expect(warnings.mock.calls.map(([line]) => String(line))).toEqual([
      expect.stringMatching(/Nothing is heard of sessions that .* ends.* Set revocations/),
    ]);
  } finally {
    warnings.mockRestore();
    await resource.close();
    await issuer.close();
  }
});

test('100,000 revoked sessions are learned before it serves', async () => {
  const [issuer, feed, key] = [await startIssuer(), await startFeed(), await issuerKey()];
  issuer.publish(key.jwk);
  feed.pages = Array.from({ length: 10 }, () => Array.from({ length: 10_000 }, () => randomUUID()));
  const { uri, id, secret } = feed;
  const { jwksUri } = issuer;
  const trusted = { issuer: issuer.issuer, jwksUri, audience: 'api', revocations: { uri, id, secret } };
  const resource = await startResource(trusted);
  try {
    expect(await resource.ask(await issuer.token(key, { sid: feed.sids[77_777] }))).toBe(401);
    expect(await resource.ask(await issuer.token(key, { sid: randomUUID() }))).toBe(200);
  } finally {
    await resource.close();
    await Promise.all([issuer.close(), feed.close()]);
  }
});

describe('25,000 sessions an issuer has revoked', () => {
  let database: TestDatabase;
  let issuer: TestNode;
  let proxy: Proxy;
  let resource: Resource;
  let sids: string[];
  beforeAll(async () => {
    database = await createDatabase();
    // Nineteen of one time where the first page would end, and two where the second one would.
    const place = `case when n between 9991 and 10009 then 9991 when n = 20010 then 20009 else n end`;
    await seedFamilies(database, 25_000, {
      revokedAt: `date_trunc('second', now()) - interval '1 minute' + (${place}) * interval '7 microseconds'`,
    });
    const rows = await database.query<{ family_id: string }>('select family_id from refresh_token');
    sids = rows.map(({ family_id }) => family_id);
    const changes = { resourceServers: [REPORTS], revocation: QUICK };
    issuer = await startNode({ url: database.url, options: options(changes) });
    proxy = await startProxy(issuer.url);
    resource = await startResource({
      issuer: 'https://issuer.test',
      audience: 'https://api.test',
      jwksUri: `${issuer.url}/.well-known/jwks.json`,
      revocations: { uri: `${proxy.url}/auth/revocations`, ...REPORTS },
      revocation: QUICK,
    });
  }, 60_000);
  afterAll(async () => {
    await resource.close();
    await proxy.close();
    await issuer.close();
    await database.drop();
  });

  test('are all refused from the start, those of one time at the border of two pages, too', () => {
    expect(resource.refused(sids, 'https://issuer.test')).toEqual(sids);
    const first = proxy.asked.filter((path) => path.startsWith('/auth/revocations'));
    expect(first[0]).toBe('/auth/revocations');
    expect(first.slice(1, 3)).toEqual(Array(2).fill(expect.stringMatching(/\?since=\d+\.\d+$/)));
  });

  test('keep nobody from hearing of one more', async () => {
    const pair = await issuer.tokens.issue('alice');
    expect(await resource.ask(pair.accessToken)).toBe(200);
    await issuer.tokens.revoke(pair.sid);
    await soon(resource, pair.accessToken, 401);
  });
});
