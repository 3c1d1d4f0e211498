import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { Controller, Get, Module } from '@nestjs/common';
import { APP_GUARD, NestFactory } from '@nestjs/core';
import { AccessGuard, AuthModule } from 'nestjs-token-family';
import { PublishedRevocations, RevocationMemory } from '../libs/auth/src/core/revocation-ports.js';
import { parseFeedPage } from '../libs/auth/src/revocation/feed-page.js';
import { createDatabase, type TestDatabase } from './support/database.js';
import { send, type Answer } from './support/http.js';
import { baseOptions, options, startNode, type TestNode } from './support/node.js';
import { onBothAdapters, type Fixture } from './support/on-both-adapters.js';
import { seedFamilies } from './support/seed.js';

const REPORTS = { id: 'reports', secret: 'a-secret+of/forty%41characters-or-so==' };
const BILLING = { id: 'bill.ing_~-1', secret: 'another-secret-of-forty-characters-or-so' };

const configured = options({
  resourceServers: [REPORTS, BILLING],
  revocation: { pollInterval: 0.05, maxStaleness: 30 },
});

const basic = (id: string, secret: string): string =>
  `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`;
const AUTHORIZED = { authorization: basic(REPORTS.id, REPORTS.secret) };

/** GET of the feed; `since` as it stands in the query. */
const feed = (
  node: { url: string },
  query = '',
  headers: Record<string, string> = AUTHORIZED,
): Promise<Answer> => send(`${node.url}/auth/revocations${query}`, { headers });
const sidsIn = (answer: Answer): string[] => answer.body['sids'] as string[];
const nextIn = (answer: Answer): number | undefined => answer.body['next'] as number | undefined;

/** Everything from `query` on, page by page. */
async function pages(node: { url: string }, query = ''): Promise<Answer[]> {
  const answers = [await feed(node, query)];
  for (let next = nextIn(answers[0]!); next !== undefined; next = nextIn(answers.at(-1)!))
    answers.push(await feed(node, `?since=${next}`));
  return answers;
}

async function soon<T>(ask: () => Promise<T>, holds: (answer: T) => boolean): Promise<T> {
  const end = Date.now() + 5000;
  let answer = await ask();
  while (!holds(answer) && Date.now() < end) answer = await ask();
  expect(holds(answer)).toBe(true);
  return answer;
}

async function revokedSession(node: TestNode): Promise<string> {
  const { sid } = await node.tokens.issue('alice');
  await node.tokens.revoke(sid);
  return sid;
}

onBothAdapters({ options: configured }, (fixture: Fixture) => {
  describe('who may read it', () => {
    const CHALLENGE = 'Basic realm="api", charset="UTF-8"';
    const INVALID = { error: 'invalid_client', error_description: 'Client authentication failed' };

    test.each([
      ['one of the resource servers', basic(REPORTS.id, REPORTS.secret)],
      ['another one', basic(BILLING.id, BILLING.secret)],
      ['one that encodes its secret as a form', basic(REPORTS.id, encodeURIComponent(REPORTS.secret))],
      [
        'one that writes the scheme in its own way',
        basic(REPORTS.id, REPORTS.secret).replace('Basic', 'bAsIc'),
      ],
    ])('%s', async (_, authorization) => {
      expect((await feed(fixture.node, '', { authorization })).status).toBe(200);
    });

    test.each<[string, string | undefined]>([
      ['nobody', undefined],
      ['a wrong secret', basic(REPORTS.id, BILLING.secret)],
      ['a secret cut short', basic(REPORTS.id, REPORTS.secret.slice(0, -1))],
      ['no secret', basic(REPORTS.id, '')],
      ['an unknown id', basic('nobody', REPORTS.secret)],
      ['an id of another case', basic('Reports', REPORTS.secret)],
      ['the name of a property of every object', basic('constructor', REPORTS.secret)],
      ['a secret with a sign of percent that means nothing', basic(REPORTS.id, '%zz%')],
      ['no colon', `Basic ${Buffer.from('reports').toString('base64')}`],
      ['base64 without its padding', basic(REPORTS.id, REPORTS.secret).replace(/=+$/, '')],
      ['what is no base64', `Basic ${REPORTS.id}:${REPORTS.secret}`],
      ['the scheme alone', 'Basic'],
      [
        'two credentials in one',
        `${basic(REPORTS.id, REPORTS.secret)}, ${basic(REPORTS.id, REPORTS.secret)}`,
      ],
      ['the secret as a Bearer token', `Bearer ${REPORTS.secret}`],
    ])('but not %s', async (_, authorization) => {
      const answer = await feed(fixture.node, '', authorization === undefined ? {} : { authorization });
      expect([answer.status, answer.body]).toEqual([401, INVALID]);
      expect(answer.headers.get('www-authenticate')).toBe(CHALLENGE);
      expect(answer.headers.get('cache-control')).toBe('no-store');
      expect(answer.headers.get('revocations-as-of')).toBeNull();
    });

    test('nor a user with an access token', async () => {
      const { accessToken } = await fixture.node.tokens.issue('alice');
      const answer = await feed(fixture.node, '', { authorization: `Bearer ${accessToken}` });
      expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([401, CHALLENGE]);
    });

    test('nor who sends two Authorization headers, whichever comes first', async () => {
      const [good, bad] = [AUTHORIZED.authorization, basic('nobody', 'x')];
      for (const lines of [
        [good, bad],
        [bad, good],
        [good, good],
      ]) {
        expect(await rawStatus(fixture.node, lines)).toBe(401);
      }
      expect(await rawStatus(fixture.node, [good])).toBe(200);
    });

    test('who is not let in is told nothing of the question either', async () => {
      expect((await feed(fixture.node, '?since=nonsense', {})).status).toBe(401);
    });
  });

  describe('what it tells', () => {
    test('is what was revoked, in the order of its time, as of one of the database, and no cache may keep it', async () => {
      const [one, two] = [await revokedSession(fixture.node), await revokedSession(fixture.node)];
      const { sid: alive } = await fixture.node.tokens.issue('alice');
      const before = Date.now();
      const answer = await soon(
        () => feed(fixture.node),
        ({ headers }) => Number(headers.get('revocations-as-of')) > before,
      );
      const sids = sidsIn(answer);
      expect(Object.keys(answer.body)).toEqual(['sids']);
      expect(sids.slice(-2)).toEqual([one, two]);
      expect(sids).not.toContain(alive);
      expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8');
      expect(answer.headers.get('cache-control')).toBe('no-store');
      expect(answer.headers.get('etag')).toMatch(/^"[\w-]{43}"$/);
      expect(Number(answer.headers.get('revocations-age'))).toBeLessThan(1000);
      expect(answer.headers.get('revocations-since')).toBe('0');
    });

    test('can be asked from a time on', async () => {
      const sid = await revokedSession(fixture.node);
      const fresh = await feed(fixture.node, `?since=${Date.now() - 60_000}`);
      expect(sidsIn(fresh)).toContain(sid);
      expect(fresh.headers.get('revocations-since')).toMatch(/^\d{13}$/);
      // What this node revoked itself counts as just now until it has read when that was.
      await soon(
        () => feed(fixture.node, `?since=${Date.now() + 60_000}`),
        (answer) => sidsIn(answer).length === 0,
      );
    });

    test('can be asked from a fraction of a millisecond on', async () => {
      const { headers } = await feed(fixture.node, '?since=1764000000123.457');
      expect(headers.get('revocations-since')).toBe('1764000000123.457');
    });

    test.each([
      ['since='],
      ['since=-1'],
      ['since=1e3'],
      ['since=1.'],
      ['since=.5'],
      ['since=1.5.5'],
      ['since=1.5e3'],
      ['since=now'],
      ['since=+1'],
      ['since=%201'],
      ['since=0x10'],
      ['since=Infinity'],
      ['since=9999999999999999'],
      ['since=1&since=2'],
      ['since=1&since=1'],
    ])('but not from %s on', async (query) => {
      const answer = await feed(fixture.node, `?${query}`);
      expect([answer.status, answer.body['error']]).toEqual([400, 'invalid_request']);
    });
  });

  describe('who has it already', () => {
    test.each([
      ['as it is', (tag: string) => tag],
      ['made weak on its way', (tag: string) => `W/${tag}`],
      ['in a list', (tag: string) => `"other", ${tag}`],
      ['any', () => '*'],
    ])('gets 304 for its tag, %s, with a time that moves on', async (_, form) => {
      await revokedSession(fixture.node);
      let [tag, asOf] = ['', 0];
      const first = await soon(
        () => feed(fixture.node),
        ({ headers }) => {
          const isQuiet = headers.get('etag') === tag;
          tag = headers.get('etag')!;
          return isQuiet;
        },
      );
      asOf = Number(first.headers.get('revocations-as-of'));
      const later = await soon(
        () => feed(fixture.node, '', { ...AUTHORIZED, 'if-none-match': form(tag) }),
        ({ headers }) => Number(headers.get('revocations-as-of')) > asOf,
      );
      expect([later.status, later.body]).toEqual([304, undefined]);
      expect(later.headers.get('etag')).toBe(tag);
      expect(later.headers.get('revocations-age')).toMatch(/^\d+$/);
      expect(later.headers.get('revocations-since')).toBe('0');
      expect(later.headers.get('cache-control')).toBe('no-store');
    });

    test('gets 200 for the tag of another question, though the answer is the same', async () => {
      const far = Date.now() + 3_600_000;
      const one = await feed(fixture.node, `?since=${far}`);
      const headers = { ...AUTHORIZED, 'if-none-match': one.headers.get('etag')! };
      const two = await feed(fixture.node, `?since=${far + 1}`, headers);
      expect([two.status, two.body]).toEqual([200, one.body]);
    });

    test('gets 200 when there is news', async () => {
      const tag = (await feed(fixture.node)).headers.get('etag')!;
      const sid = await revokedSession(fixture.node);
      const answer = await feed(fixture.node, '', { ...AUTHORIZED, 'if-none-match': tag });
      expect(answer.status).toBe(200);
      expect(sidsIn(answer)).toContain(sid);
    });
  });

  test('is told from memory: the database is not asked, however many ask', async () => {
    const source = await fixture.database.connect({ poolSize: 1 });
    const runner = source.createQueryRunner();
    await runner.startTransaction();
    await runner.query('lock table refresh_token in access exclusive mode');
    try {
      const answers = await Promise.all(Array.from({ length: 50 }, () => feed(fixture.node)));
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    } finally {
      await runner.rollbackTransaction();
      await runner.release();
    }
  });
});

/** The status of a request with so many Authorization headers, which `fetch` would make one of. */
async function rawStatus(node: { url: string }, authorizations: readonly string[]): Promise<number> {
  const { hostname, port } = new URL(node.url);
  const socket = connect(Number(port), hostname);
  const lines = authorizations.map((value) => `Authorization: ${value}\r\n`).join('');
  socket.write(`GET /auth/revocations HTTP/1.1\r\nHost: feed\r\n${lines}Connection: close\r\n\r\n`);
  let text = '';
  for await (const chunk of socket) text += String(chunk);
  return Number(text.split(' ')[1]);
}

describe('of several nodes', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createDatabase();
  });
  afterAll(() => database.drop());

  test('those that have read the same tell it under the same tag, whatever the order they learned it in', async () => {
    const nodes = [
      await startNode({ url: database.url, options: configured }),
      await startNode({ url: database.url, options: configured, adapter: 'fastify' }),
    ] as const;
    try {
      const sids = [
        await revokedSession(nodes[0]),
        await revokedSession(nodes[1]),
        await revokedSession(nodes[0]),
      ];
      const answers = await soon(
        () => Promise.all(nodes.map((node) => feed(node, '?since=5'))),
        // What a node has not read back it tells at the end.
        (each) => each.every((answer) => sidsIn(answer).slice(-3).join() === sids.join()),
      );
      const [one, two] = answers.map(({ headers }) => headers.get('etag'));
      expect(one).toBe(two);
    } finally {
      await Promise.all(nodes.map((node) => node.close()));
    }
  });

  test('one that has no resource server lets nobody in', async () => {
    const node = await startNode({ url: database.url });
    try {
      expect((await feed(node)).status).toBe(401);
      expect((await feed(node, '', {})).status).toBe(401);
    } finally {
      await node.close();
    }
  });

  test('one whose knowledge is stale answers 503, even where it would let tokens pass', async () => {
    const revocation = { pollInterval: 0.05, maxStaleness: 0.3, onStale: 'accept' } as const;
    const own = await createDatabase();
    const node = await startNode({ url: own.url, options: options({ ...configured, revocation }) });
    try {
      const { accessToken } = await node.tokens.issue('alice');
      expect((await feed(node)).status).toBe(200);
      await own.query('alter table refresh_token rename to hidden');
      const answer = await soon(
        () => feed(node),
        ({ status }) => status !== 200,
      );
      expect([answer.status, answer.body['error']]).toEqual([503, 'temporarily_unavailable']);
      expect(answer.headers.get('retry-after')).toBe('1');
      expect(answer.headers.get('revocations-as-of')).toBeNull();
      expect(
        (await send(`${node.url}/me`, { headers: { authorization: `Bearer ${accessToken}` } })).status,
      ).toBe(200);
      await own.query('alter table hidden rename to refresh_token');
      await soon(
        () => feed(node),
        ({ status }) => status === 200,
      );
    } finally {
      await node.close();
      await own.drop();
    }
  });
});

test.each(['express', 'fastify'] as const)(
  'no guard of the whole application stands before it, on %s',
  async (adapter) => {
    @Controller()
    class ClosedController {
      @Get('closed')
      closed(): string {
        return 'closed';
      }
    }
    @Module({
      imports: [
        AuthModule.forRoot({
          ...baseOptions,
          resourceServers: [REPORTS],
          store: 'memory',
          routes: { prefix: 'x' },
        }),
      ],
      controllers: [ClosedController],
      providers: [{ provide: APP_GUARD, useExisting: AccessGuard }],
    })
    class ClosedModule {}
    const { ExpressAdapter } = await import('@nestjs/platform-express');
    const { FastifyAdapter } = await import('@nestjs/platform-fastify');
    const http = adapter === 'fastify' ? new FastifyAdapter() : new ExpressAdapter();
    const app = await NestFactory.create(ClosedModule, http, { logger: false, abortOnError: false });
    await app.listen(0, '127.0.0.1');
    try {
      const url = await app.getUrl();
      expect((await send(`${url}/closed`)).status).toBe(401);
      expect((await send(`${url}/x/revocations`, { headers: AUTHORIZED })).status).toBe(200);
    } finally {
      await app.close();
    }
  },
);

describe('25,000 revoked sessions', () => {
  let database: TestDatabase;
  let node: TestNode;
  let revocations: PublishedRevocations;
  /** in the order of their time */
  let revoked: string[];
  beforeAll(async () => {
    database = await createDatabase();
    // Nine on each side of where a page would end have one time.
    const place = `case when n between 9992 and 10009 then 9992 else n end`;
    await seedFamilies(database, 25_000, {
      revokedAt: `date_trunc('second', now()) - interval '1 minute' + (${place}) * interval '7 microseconds'`,
    });
    const rows = await database.query<{ family_id: string }>(
      'select family_id from refresh_token order by revoked_at, family_id',
    );
    revoked = rows.map(({ family_id }) => family_id);
    node = await startNode({ url: database.url, options: configured });
    revocations = node.get<PublishedRevocations>(PublishedRevocations as never);
  }, 60_000);
  afterAll(async () => {
    await node.close();
    await database.drop();
  });
  const counted = async (ask: () => Promise<unknown>): Promise<number[]> => {
    const snapshot = jest.spyOn(revocations, 'snapshot');
    await ask();
    const copied = snapshot.mock.results.map(({ value }) => (value as { sids: string[] }).sids.length);
    snapshot.mockRestore();
    return copied;
  };

  test('are told on three pages, in the order of their time, those of one time on the same', async () => {
    const answers = await pages(node);
    expect(answers.map((answer) => sidsIn(answer).length)).toEqual([10_009, 10_000, 4991]);
    expect(answers.flatMap(sidsIn)).toEqual(revoked);
    expect(answers.map(({ body }) => Object.keys(body))).toEqual([
      ['sids', 'next'],
      ['sids', 'next'],
      ['sids'],
    ]);
    const [first, second] = answers.map(nextIn);
    expect(second).toBeGreaterThan(first!);
    expect(answers.map(({ headers }) => headers.get('revocations-since'))).toEqual([
      '0',
      String(first),
      String(second),
    ]);
  });

  test('are told in the very form that is written down, and no page is a mebibyte long', async () => {
    const headers = AUTHORIZED;
    for (let since: number | null = 0; since !== null;) {
      const text = await (await fetch(`${node.url}/auth/revocations?since=${since}`, { headers })).text();
      expect(text.length).toBeLessThan(500_000);
      since = parseFeedPage(Buffer.from(text)).next;
    }
  });

  test('are put into words once for all who ask the same, and copied once', async () => {
    const stringify = jest.spyOn(JSON, 'stringify');
    try {
      const since = Date.now() - 3_600_000;
      const copied = await counted(() =>
        Promise.all(Array.from({ length: 10 }, () => feed(node, `?since=${since}`))),
      );
      const bodies = stringify.mock.calls.filter(([value]) =>
        Array.isArray((value as { sids?: unknown })?.sids),
      );
      expect(bodies).toHaveLength(1);
      expect(copied.filter((count) => count > 0)).toEqual([10_009]);
      expect(copied).toHaveLength(10);
    } finally {
      stringify.mockRestore();
    }
  });

  test('are not copied for who has them already', async () => {
    const { headers } = await feed(node);
    const asked = { ...AUTHORIZED, 'if-none-match': headers.get('etag')! };
    const copied = await counted(async () => expect((await feed(node, '', asked)).status).toBe(304));
    expect(copied).toEqual([0]);
  });

  test('are told anew to who asks again after many others', async () => {
    const since = Date.now() - 7_200_000;
    const ask = (offset: number): Promise<Answer> => feed(node, `?since=${since + offset}`);
    await ask(0);
    expect(await counted(() => ask(0))).toEqual([0]);
    for (let offset = 1; offset <= 16; offset++) await ask(offset);
    expect(await counted(() => ask(0))).toEqual([10_009]);
  });

  test('one more changes the last page, and no other', async () => {
    const before = await pages(node);
    const sid = await revokedSession(node);
    const after = await pages(node);
    const tags = (answers: Answer[]): (string | null)[] => answers.map(({ headers }) => headers.get('etag'));
    expect(tags(after).slice(0, 2)).toEqual(tags(before).slice(0, 2));
    expect(tags(after)[2]).not.toBe(tags(before)[2]);
    expect(after.flatMap(sidsIn)).toEqual([...revoked, sid]);
  });

  test('are told though the node has ended more than a page has room for, and not read back', async () => {
    const ended = Array.from({ length: 60_000 }, () => randomUUID());
    node.get<RevocationMemory>(RevocationMemory as never).learn(ended);
    const answers = await pages(node);
    expect(answers.flatMap(sidsIn).slice(0, 25_000)).toEqual(revoked);
    expect(Math.max(...answers.map((answer) => sidsIn(answer).length))).toBeLessThanOrEqual(20_000);
    expect(sidsIn(await feed(node, `?since=${Date.now() + 60_000}`)).length).toBeLessThanOrEqual(20_000);
  });
});
