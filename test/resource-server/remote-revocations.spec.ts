import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { UnavailableError } from 'nestjs-token-family';
import { RemoteRevocations } from '../../libs/auth/src/revocation/remote-revocations.js';
import { startFeed, type Answer, type FakeFeed } from './fake-feed.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

let feed: FakeFeed;
let clock: { moved: number; now(): number; monotonic(): number };
let logged: string[];
let learned: string[];
/** the times the pieces of what was learned came with */
let times: number[];
let remote: RemoteRevocations;

beforeEach(async () => {
  feed = await startFeed();
  clock = {
    moved: 0,
    now: () => Date.now() + clock.moved,
    monotonic: () => performance.now() + clock.moved,
  };
  feed.asOf = () => clock.now();
  learned = [];
  times = [];
  open();
});

/** @param timeout seconds for one answer */
function open({ timeout = 5, uri = feed.uri } = {}): void {
  logged = [];
  const logger = { log: (text: string) => logged.push(text), error: (text: string) => logged.push(text) };
  const policy = { timeout, maxStaleness: 30, clockTolerance: 5 };
  remote = new RemoteRevocations({ uri, id: feed.id, secret: feed.secret }, policy, clock, logger);
}

afterEach(async () => {
  remote.close();
  await feed.close();
});

const pass = (seconds: number): void => {
  clock.moved += seconds * 1000;
};
const read = (window = MINUTE): Promise<{ now: number; age: number }> =>
  remote.read(window, (sessions, now) => {
    times.push(now);
    learned.push(...sessions.map(({ sid }) => sid));
  });
const failure = (): Promise<UnavailableError> =>
  read().then(
    () => Promise.reject(new Error('It was believed')),
    (error: unknown) => error as UnavailableError,
  );
const reasonOf = (error: Error): string => (error.cause as Error).message;

test('learns what the feed names, and how old it is', async () => {
  feed.sids = [randomUUID(), randomUUID()];
  feed.age = 700;
  const { age } = await read();
  expect(learned.toSorted()).toEqual(feed.sids.toSorted());
  expect(age).toBe(700);
});

test('says who it is, by HTTP Basic, and wants no cache to answer, and nothing packed', async () => {
  await read();
  const { headers } = feed.asked[0]!;
  const basic = Buffer.from(`${feed.id}:${feed.secret}`).toString('base64');
  expect(headers.authorization).toBe(`Basic ${basic}`);
  expect(headers['cache-control']).toBe('no-store');
  expect(headers['accept-encoding']).toBe('identity');
});

describe('the window', () => {
  test('is everything at first, then counted from the last answer, in steps', async () => {
    feed.asOf = () => 1_800_000_007_777;
    clock.now = () => 1_800_000_007_777;
    await read(MINUTE);
    await read(MINUTE);
    await read(2 * HOUR);
    expect(feed.asked.map(({ since }) => since)).toEqual([null, '1799999940000', '1799992800000']);
  });

  test('follows the clock of the database back', async () => {
    await read();
    feed.asOf = () => clock.now() - 10 * MINUTE;
    await read();
    await read();
    const since = Number(feed.asked[2]!.since);
    expect(feed.asOf() - since).toBeGreaterThanOrEqual(MINUTE);
    expect(feed.asOf() - since).toBeLessThan(MINUTE + 15_000);
  });

  test('never begins where an answer from the future was', async () => {
    await read();
    feed.asOf = () => clock.now() + HOUR;
    await read();
    await read();
    expect(Number(feed.asked[2]!.since)).toBeLessThan(clock.now() - MINUTE);
  });

  test('keeps what else is in the address', async () => {
    open({ uri: `${feed.uri}?tenant=1` });
    const paths: string[] = [];
    feed.answer = (response, request) => {
      paths.push(request.url!);
      feed.good(response, request);
    };
    await read();
    await read();
    expect(paths).toEqual([
      '/auth/revocations?tenant=1',
      expect.stringMatching(/^\/auth\/revocations\?tenant=1&since=\d+$/),
    ]);
  });
});

describe('a feed without news', () => {
  test('is answered by 304, which is as fresh as it says, and tells what it told once more', async () => {
    feed.sids = [randomUUID(), randomUUID()];
    let asOf = 1_800_000_000_000;
    clock.now = () => asOf;
    feed.asOf = () => ++asOf;
    await read();
    await read();
    [learned, times] = [[], []];
    expect((await read()).now).toBe(asOf);
    await expect(read()).resolves.toMatchObject({ age: 0 });
    expect(feed.asked.map(({ status }) => status)).toEqual([200, 200, 304, 304]);
    expect(learned).toEqual([...feed.sids, ...feed.sids]);
    expect(times).toEqual([asOf - 1, asOf]);
  });

  test('is asked with the tag of an answer to the same question alone', async () => {
    feed.asOf = () => 1_800_000_000_000;
    clock.now = feed.asOf;
    await read();
    await read();
    await read(2 * HOUR);
    await read();
    const tags = feed.asked.map(({ headers }) => headers['if-none-match']);
    expect(tags).toEqual([undefined, undefined, undefined, expect.stringMatching(/^"[0-9a-f]{64}"$/)]);
    expect(feed.asked[3]!.status).toBe(304);
  });

  test('is not believed when it answers 304 and nobody asked', async () => {
    feed.answer = (response, request) => {
      request.headers['if-none-match'] = '"any"';
      response.setHeader('ETag', '"any"');
      stamp(response);
      response.writeHead(304).end();
    };
    expect(reasonOf(await failure())).toMatch(/status 304/);
  });

  test('is not believed when it answers 304 for another entity tag', async () => {
    feed.asOf = () => 1_800_000_000_000;
    clock.now = feed.asOf;
    await read();
    await read();
    feed.answer = (response) => {
      stamp(response, { 'Revocations-Since': feed.asked[1]!.since! });
      response.writeHead(304, { ETag: '"another"' }).end();
    };
    expect(reasonOf(await failure())).toMatch(/another entity tag/);
  });

  test('may have been made a weak one on its way', async () => {
    feed.asOf = () => 1_800_000_000_000;
    clock.now = feed.asOf;
    feed.answer = (response, request) => {
      const tag = request.headers['if-none-match'];
      if (tag) request.headers['if-none-match'] = tag.replace(/^W\//, '');
      feed.good(
        new Proxy(response, {
          get: (target, name) => {
            if (name !== 'setHeader') return (Reflect.get(target, name) as () => unknown).bind?.(target);
            return (key: string, value: string) =>
              target.setHeader(key, key === 'ETag' ? `W/${value}` : value);
          },
        }),
        request,
      );
    };
    await read();
    await read();
    await read();
    expect(feed.asked.map(({ status }) => status)).toEqual([200, 200, 304]);
  });
});

describe('an old answer', () => {
  /** What a cache does that has forgotten what no-store means: tells its first answer for ever. */
  function keep(): void {
    const asOf = clock.now();
    const [sid] = (feed.sids = [randomUUID()]);
    feed.answer = (response, request) => {
      const since = new URL(request.url!, feed.uri).searchParams.get('since') ?? '0';
      stamp(response, { 'Revocations-As-Of': String(asOf), 'Revocations-Since': since });
      response.end(JSON.stringify({ sids: [sid] }));
    };
  }

  test('told again and again is never fresh', async () => {
    keep();
    for (let seconds = 0; seconds <= 60; seconds += 2, pass(2)) {
      const { age } = await read();
      expect(age).toBeGreaterThanOrEqual(seconds * 1000);
    }
  });

  test('is told to the log once, with what to do, and once more when it is over', async () => {
    await read();
    keep();
    for (let seconds = 0; seconds <= 60; seconds += 2, pass(2)) await read();
    feed.answer = feed.good;
    await read();
    expect(logged).toEqual([
      expect.stringMatching(/is no news: .* \d+ s behind this node's clock.*clockTolerance/),
      expect.stringMatching(/fresh/),
    ]);
  });

  test('is told apart in the log from one that is ahead of this node’s clock', async () => {
    feed.asOf = () => clock.now() + HOUR;
    expect((await read()).age).toBe(Infinity);
    expect(logged).toEqual([expect.stringMatching(/3600 s ahead of this node's clock/)]);
  });

  test('names sessions that are learned all the same', async () => {
    feed.asOf = () => clock.now() - HOUR;
    feed.sids = [randomUUID()];
    const { age } = await read();
    expect(age).toBeGreaterThan(HOUR - 6000);
    expect(learned).toEqual(feed.sids);
  });

  test('is what an answer becomes that is held back: its age counts from the moment of asking', async () => {
    const asked = clock.now();
    feed.answer = (response, request) => {
      feed.good(response, request);
      pass(20);
    };
    const { now, age } = await read();
    // At the moment of asking it was not old. Who counts from its arrival would take 20 s off.
    expect(now - asked).toBeLessThan(1000);
    expect(age).toBe(0);
    feed.answer = feed.good;
    const old = now;
    feed.asOf = () => old;
    expect((await read()).age).toBeGreaterThanOrEqual(20_000);
  });
});

/** The headers of a good answer, with changes; an empty text leaves one out. */
function stamp(response: ServerResponse, changes: Record<string, string> = {}): void {
  const good = {
    'Revocations-Since': '0',
    'Revocations-As-Of': String(clock.now()),
    'Revocations-Age': '0',
  };
  for (const [name, value] of Object.entries({ ...good, ...changes }))
    if (value !== '') response.setHeader(name, value);
}

const GOOD_BODY = JSON.stringify({ sids: [randomUUID()] });
const NO_PAGE = /no page of sids/;
const answering =
  (body: string, changes: Record<string, string> = {}): Answer =>
  (response) => {
    stamp(response, changes);
    response.end(body);
  };
const status =
  (code: number, headers: Record<string, string> = {}): Answer =>
  (response) => {
    stamp(response);
    response.writeHead(code, headers).end(GOOD_BODY);
  };

describe('no answer is', () => {
  test.each<[string, RegExp, Answer]>([
    ['an error', /status 500/, status(500)],
    ['a service that is unavailable', /status 503/, status(503)],
    ['a redirect', /status 302/, status(302, { location: '/elsewhere' })],
    ['a part of one', /status 206/, status(206)],
    ['an empty body', NO_PAGE, answering('')],
    ['garbage', NO_PAGE, answering('<html>sids</html>')],
    ['a truncated one', NO_PAGE, answering(GOOD_BODY.slice(0, -3))],
    ['a list alone', NO_PAGE, answering('[]')],
    ['null', NO_PAGE, answering('null')],
    ['another object', NO_PAGE, answering('{"sid":[]}')],
    ['sids that are no list', NO_PAGE, answering('{"sids":{"length":0}}')],
    ['one sid that is none', NO_PAGE, answering(`{"sids":["${randomUUID()}","x"]}`)],
    ['one sid in capitals', NO_PAGE, answering(GOOD_BODY.toUpperCase().replace('SIDS', 'sids'))],
    ['one without as-of', /no Revocations-As-Of/, answering(GOOD_BODY, { 'Revocations-As-Of': '' })],
    ['one without age', /no Revocations-Age/, answering(GOOD_BODY, { 'Revocations-Age': '' })],
    ['one with a negative age', /no Revocations-Age/, answering(GOOD_BODY, { 'Revocations-Age': '-5' })],
    ['an infinite as-of', /no Revocations-As-Of/, answering(GOOD_BODY, { 'Revocations-As-Of': 'Infinity' })],
    [
      'an enormous as-of',
      /no Revocations-As-Of/,
      answering(GOOD_BODY, { 'Revocations-As-Of': '9'.repeat(400) }),
    ],
    ['two of them', /no Revocations-As-Of/, answering(GOOD_BODY, { 'Revocations-As-Of': '1, 2' })],
    ['one to another question', /another question/, answering(GOOD_BODY, { 'Revocations-Since': '5' })],
    ['a reset', /fetch failed|terminated/, (response) => response.destroy()],
    [
      'a reset in its midst',
      /terminated|aborted|other side closed/,
      (response) => {
        stamp(response);
        response.writeHead(200, { 'content-length': '1000' });
        response.write(GOOD_BODY, () => response.destroy());
      },
    ],
  ])('%s', async (_, reason, answer) => {
    feed.answer = answer;
    const error = await failure();
    expect(error).toBeInstanceOf(UnavailableError);
    expect(reasonOf(error)).toMatch(reason);
    expect(learned).toEqual([]);
    feed.answer = feed.good;
    await expect(read()).resolves.toMatchObject({ age: 0 });
  });

  test.each<[string, Answer]>([
    ['closed', (response) => response.destroy()],
    ['reset', (response) => response.socket!.resetAndDestroy()],
    [
      'closed in the midst of an answer',
      (response) => {
        stamp(response);
        response.write('{"sids":[', () => response.destroy());
      },
    ],
  ])('one that is lost, but on a new connection, once: %s', async (_, lose) => {
    feed.sids = [randomUUID()];
    feed.answer = lose;
    await failure();
    expect(feed.asked).toHaveLength(2);
    feed.answer = (response, request) => {
      feed.answer = feed.good;
      lose(response, request);
    };
    await read();
    expect(learned).toEqual(feed.sids);
    expect(feed.asked.map(({ since }) => since)).toEqual([null, null, null, null]);
  });

  test('an answer that is none, and one that does not come, are not asked for again', async () => {
    for (const answer of [status(503), answering('null')]) {
      feed.answer = answer;
      await failure();
    }
    expect(feed.asked).toHaveLength(2);
    open({ timeout: 0.2 });
    feed.answer = () => {};
    await failure();
    // On a busy machine the question itself may come too late.
    expect(feed.asked.length).toBeLessThan(4);
  });

  test('one of more than a mebibyte: no more is read', async () => {
    let sent = 0;
    feed.answer = (response) => {
      stamp(response);
      const chunk = Buffer.alloc(65_536, ' ');
      const more = (): void => {
        if (response.destroyed) return;
        sent += chunk.length;
        response.write(chunk, more);
      };
      more();
    };
    expect(reasonOf(await failure())).toMatch(/longer than 1048576 bytes/);
    // What has been sent and not read lies in the buffers of the two machines.
    expect(sent).toBeLessThan(32 * 1024 * 1024);
    expect(learned).toEqual([]);
  });
});

describe('what is packed is not unpacked:', () => {
  test.each<[string, (body: Buffer) => Buffer]>([
    ['gzip', gzipSync],
    ['x-gzip', gzipSync],
    ['deflate', deflateSync],
    ['br', brotliCompressSync],
    ['gzip, gzip', (body) => gzipSync(gzipSync(body))],
    ['GZIP', gzipSync],
    ['unheard-of', (body) => body],
  ])('%s', async (encoding, pack) => {
    feed.answer = (response) => {
      stamp(response, { 'Content-Encoding': encoding });
      response.end(pack(Buffer.from(GOOD_BODY)));
    };
    expect(reasonOf(await failure())).toMatch(/has a content encoding/);
    expect(learned).toEqual([]);
  });

  test('nor is 64 KiB that would be 64 MiB', async () => {
    const packed = gzipSync(Buffer.alloc(64 * 1024 * 1024, '['));
    expect(packed.length).toBeLessThan(70_000);
    feed.answer = (response) => {
      stamp(response, { 'Content-Encoding': 'gzip' });
      response.end(packed);
    };
    expect(reasonOf(await failure())).toMatch(/has a content encoding/);
  });

  test('identity says that nothing is', async () => {
    feed.answer = answering(GOOD_BODY, { 'Content-Encoding': 'identity' });
    await read();
    expect(learned).toHaveLength(1);
  });
});

describe('a feed of several pages', () => {
  const sids = (count: number): string[] => Array.from({ length: count }, () => randomUUID());

  test('is read to its end in one reading, each page as of its own time', async () => {
    feed.pages = [sids(3), sids(2), sids(0), sids(1)];
    let asOf = 1_800_000_000_000;
    clock.now = () => asOf;
    feed.asOf = () => ++asOf;
    const { now, age } = await read();
    expect(learned).toEqual(feed.sids);
    expect(feed.asked.map(({ since }) => since)).toEqual([null, '0.5', '1', '1.5']);
    expect(times).toEqual([asOf - 3, asOf - 2, asOf - 1, asOf]);
    expect([now, age]).toEqual([asOf - 3, 0]);
  });

  test('is as old as the oldest of its pages says', async () => {
    feed.pages = [sids(1), sids(1), sids(1)];
    feed.answer = (response, request) => {
      feed.age = feed.asked.length === 2 ? 9000 : 10;
      feed.good(response, request);
    };
    expect((await read()).age).toBe(9000);
  });

  test('is as old as a page of it that a cache tells again, whatever that says of its age', async () => {
    feed.pages = [sids(1), sids(1)];
    const old = clock.now();
    feed.asOf = () => (feed.asked.length % 2 === 0 ? old : clock.now());
    for (let seconds = 0; seconds <= 60; seconds += 2, pass(2)) {
      const { now, age } = await read();
      expect(now).toBe(old);
      expect(age).toBeGreaterThanOrEqual(seconds * 1000);
    }
  });

  test('counts its age from the moment the first page was asked for', async () => {
    feed.pages = [sids(1), sids(1), sids(1)];
    const asked = clock.now();
    feed.answer = (response, request) => {
      feed.good(response, request);
      pass(20);
    };
    const { now, age } = await read();
    expect(now - asked).toBeLessThan(1000);
    expect(age).toBe(0);
    feed.answer = feed.good;
    feed.asOf = () => now;
    expect((await read()).age).toBeGreaterThanOrEqual(60_000);
  });

  test('from the future is not believed because reading it took long', async () => {
    feed.pages = [sids(1), sids(1)];
    feed.answer = (response, request) => {
      feed.good(response, request);
      if (feed.asked.length === 2) pass(60);
    };
    const asOf = clock.now() + 30_000;
    feed.asOf = () => asOf;
    expect((await read()).age).toBe(Infinity);
  });

  test('waits for each page as long as for an answer of one', async () => {
    open({ timeout: 3 });
    feed.pages = [sids(1), sids(1), sids(1)];
    feed.answer = (response, request) => void setTimeout(() => feed.good(response, request), 1250);
    await read();
    expect(learned).toHaveLength(3);
  }, 30_000);

  test('is asked without a tag, as long as it is one of several pages', async () => {
    feed.asOf = () => 1_800_000_000_000;
    clock.now = feed.asOf;
    await read();
    const [one, two, all] = [[sids(1)], [sids(1), sids(1)], feed.asked];
    for (const pages of [one, one, two, two, one, one]) {
      feed.pages = pages;
      await read();
    }
    const first = all.filter(({ since }) => since === '1799999940000');
    expect(first.map(({ headers }) => headers['if-none-match'] !== undefined)).toEqual([
      false,
      true,
      true,
      false,
      false,
      true,
    ]);
    expect(first.map((entry) => entry.status)).toEqual([200, 304, 200, 200, 200, 304]);
    const later = all.filter(({ since }) => since === '1799999940000.5');
    expect(later.map(({ headers }) => headers['if-none-match'])).toEqual([undefined, undefined]);
  });

  const LATER = sids(2);
  test.each<[string, RegExp, Answer]>([
    ['an error', /status 503/, status(503)],
    [
      'one that is packed',
      /content encoding/,
      (response) => {
        stamp(response, { 'Revocations-Since': '0.5', 'Content-Encoding': 'gzip' });
        response.end(gzipSync(GOOD_BODY));
      },
    ],
    ['a truncated one', NO_PAGE, answering(GOOD_BODY.slice(0, -2), { 'Revocations-Since': '0.5' })],
    [
      'a good one with something behind it',
      NO_PAGE,
      answering(`{"sids":["${LATER.join('","')}"],"next":7} `, { 'Revocations-Since': '0.5' }),
    ],
    ['one to another question', /another question/, answering(GOOD_BODY)],
    [
      'one that leads back to itself',
      /does not lie ahead/,
      answering(`{"sids":["${LATER[0]}"],"next":0.5}`, { 'Revocations-Since': '0.5' }),
    ],
    [
      'one that leads back',
      /does not lie ahead/,
      answering(`{"sids":["${LATER[0]}"],"next":0}`, { 'Revocations-Since': '0.5' }),
    ],
    ['a 304 that nobody asked for', /status 304/, status(304, { etag: '"any"' })],
    ['a reset', /fetch failed|terminated|other side closed/, (response) => response.destroy()],
  ])('has failed with one bad page, of which nothing is learned: %s', async (_, reason, answer) => {
    feed.pages = [sids(3), sids(3), sids(3)];
    feed.answer = (response, request) =>
      (request.url!.endsWith('since=0.5') ? answer : feed.good)(response, request);
    expect(reasonOf(await failure())).toMatch(reason);
    expect(learned).toEqual(feed.pages[0]);
    expect(new Set(feed.asked.map(({ since }) => since))).toEqual(new Set([null, '0.5']));
    // Nothing is confirmed: the next reading begins where this one did.
    const { length } = feed.asked;
    feed.answer = feed.good;
    await read();
    expect(feed.asked[length]!.since).toBeNull();
  });

  test('may have a hundred of them', async () => {
    feed.pages = Array.from({ length: 100 }, () => sids(1));
    await read();
    expect(learned).toEqual(feed.sids);
  });

  test('and no more: the reading fails, and says why', async () => {
    feed.pages = Array.from({ length: 101 }, () => sids(1));
    expect(reasonOf(await failure())).toMatch(/More is told than 100 pages, or 1000000 sessions/);
    expect(feed.asked).toHaveLength(100);
  });

  test('nor more than a million sessions, on however few pages', async () => {
    const page = sids(25_000);
    feed.pages = Array.from({ length: 41 }, () => page);
    let count = 0;
    const reading = remote.read(MINUTE, (sessions) => void (count += sessions.length));
    const error = await reading.then(
      () => Promise.reject(new Error('It was believed')),
      (reason: unknown) => reason as Error,
    );
    expect(reasonOf(error)).toMatch(/More is told than/);
    expect(count).toBe(1_000_000);
  }, 60_000);
});

describe('an answer is waited for no longer than the timeout:', () => {
  test.each<[string, Answer]>([
    ['one that never begins', () => {}],
    [
      'one that never ends',
      (response) => {
        stamp(response);
        response.writeHead(200).write('{"sids":[');
      },
    ],
    [
      'one that comes a byte at a time',
      (response) => {
        stamp(response);
        const timer = setInterval(() => response.write(' '), 20);
        response.on('close', () => clearInterval(timer));
      },
    ],
  ])('%s', async (_, answer) => {
    open({ timeout: 0.2 });
    feed.answer = answer;
    const began = performance.now();
    expect(reasonOf(await failure())).toMatch(/No answer within 0\.2 s/);
    expect(performance.now() - began).toBeLessThan(2000);
  });

  test('and none at all when the node shuts down', async () => {
    feed.answer = () => {};
    const failed = failure();
    while (feed.asked.length === 0) await sleep(5);
    remote.close();
    expect(reasonOf(await failed)).toMatch(/shuts down/);
  });
});

test('a secret the issuer does not know is told to the log once, with what to do, and the secret never is', async () => {
  feed.answer = status(401);
  for (let poll = 0; poll < 3; poll++) {
    expect(reasonOf(await failure())).toMatch(/status 401/);
  }
  expect(logged).toEqual([
    expect.stringMatching(/id reports .*\(401\): set revocations\.id and revocations\.secret/),
  ]);
  expect(logged.join()).not.toContain(feed.secret);
});

test('nothing of an answer that is none stands in its reason', async () => {
  feed.answer = answering('{"sids":[secret-of-somebody]}');
  expect(reasonOf(await failure())).not.toContain('somebody');
});

test('26,000 sessions have room on one page', async () => {
  feed.sids = Array.from({ length: 26_000 }, () => randomUUID());
  await read();
  expect(learned).toHaveLength(26_000);
});
