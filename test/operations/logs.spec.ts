import { ConsoleLogger, Logger } from '@nestjs/common';
import { InvalidGrantError, UnavailableError } from 'nestjs-token-family';
import { LogEntry } from '../../libs/auth/src/core/log-entry.js';
import { RefusalLog } from '../../libs/auth/src/access/refusal-log.js';
import { onBothAdapters } from '../support/on-both-adapters.js';
import { FeedWorld } from '../support/feed.js';
import { refresh } from '../support/http.js';
import { KeptLog } from '../support/kept-log.js';
import { options } from '../support/node.js';
import { soon } from '../support/wire.js';

/** What a logger of Nest writes for an entry. */
function written(logger: ConsoleLogger, entry: LogEntry): string {
  const chunks: string[] = [];
  const spy = jest.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    chunks.push(String(chunk));
    return true;
  });
  logger.warn(entry, 'TokenEvents');
  spy.mockRestore();
  return chunks.join('');
}

const FORGERY = 'x\n[Nest] 1 - ERROR all is lost\u2028second\u0085third\u001b[2J\u202efourth';

describe('an entry', () => {
  const entry = new LogEntry({ event: 'reused', sid: 'one', subject: FORGERY, cause: undefined });

  test('is fields to the logger that writes JSON', () => {
    const text = written(new ConsoleLogger({ json: true, colors: false }), entry);
    expect(JSON.parse(text)).toMatchObject({
      level: 'warn',
      context: 'TokenEvents',
      message: { event: 'reused', sid: 'one', subject: FORGERY },
    });
    expect(Object.keys(JSON.parse(text).message)).toEqual(['event', 'sid', 'subject']);
  });

  test('is one line to the logger that writes text, whatever is in it', () => {
    const text = written(new ConsoleLogger({ colors: false }), entry);
    const unprintable = text.trimEnd().match(/[\p{Cc}\p{Cf}\u2028\u2029]/gu);
    expect(unprintable).toBeNull();
    const json = /\{.*\}/.exec(text)![0];
    expect(JSON.parse(json)).toEqual({ event: 'reused', sid: 'one', subject: FORGERY });
  });
});

describe('of refusals', () => {
  const outage = (cause?: Error) => new UnavailableError('ERR_STORE_UNAVAILABLE', { cause });

  function minutes() {
    let now = 0;
    const log = new KeptLog();
    const refusals = new RefusalLog(log, { monotonic: () => now, now: () => now });
    return { log, refusals, pass: (seconds: number) => void (now += seconds * 1000) };
  }

  test('an outage is an error once a minute for each code, with the number of those between and since when', () => {
    const { log, refusals, pass } = minutes();
    for (let n = 0; n < 100; n++) refusals.add(outage(new Error('connection refused')));
    refusals.add(new UnavailableError('ERR_REVOCATIONS_STALE'));
    expect(log.errors()).toEqual([
      'error {"code":"ERR_STORE_UNAVAILABLE","cause":"connection refused"}',
      'error {"code":"ERR_REVOCATIONS_STALE"}',
    ]);
    pass(59.999);
    refusals.add(outage());
    expect(log.errors()).toHaveLength(2);
    pass(0.001);
    refusals.add(outage());
    expect(log.errors()[2]).toBe(
      'error {"code":"ERR_STORE_UNAVAILABLE","suppressed":100,"since":"1970-01-01T00:00:00.000Z"}',
    );
    refusals.add(outage());
    pass(86_400);
    refusals.add(outage());
    expect(log.errors()[3]).toBe(
      'error {"code":"ERR_STORE_UNAVAILABLE","suppressed":1,"since":"1970-01-01T00:01:00.000Z"}',
    );
    pass(60);
    refusals.add(outage());
    expect(log.errors()[4]).toBe('error {"code":"ERR_STORE_UNAVAILABLE"}');
  });

  test('what strangers can cause is for debugging, and its cause is not told', () => {
    const { log, refusals } = minutes();
    refusals.add(new InvalidGrantError('ERR_REFRESH_TOKEN_MALFORMED', { cause: new Error('quoted') }));
    refusals.add(new UnavailableError('ERR_REFRESH_TOKEN_KEY_UNKNOWN'));
    expect(log.lines).toEqual([
      'debug {"code":"ERR_REFRESH_TOKEN_MALFORMED"}',
      'debug {"code":"ERR_REFRESH_TOKEN_KEY_UNKNOWN"}',
    ]);
  });
});

test('an outage of the feed is an entry when it begins, and one when it ends', async () => {
  const kept = new KeptLog();
  Logger.overrideLogger(kept);
  const world = new FeedWorld();
  const feed = world.feed({ pollInterval: 0.005 });
  let isGone = true;
  world.reading = async () => {
    if (isGone) throw new UnavailableError('ERR_STORE_UNAVAILABLE', { cause: new Error('no route') });
  };
  try {
    feed.start();
    expect(await soon(() => world.windows.length > 2)).toBe(true);
    isGone = false;
    expect(await soon(() => kept.lines.length > 1)).toBe(true);
  } finally {
    await feed.onApplicationShutdown();
  }
  expect(kept.lines).toEqual([
    'error {"event":"revocations_unreadable","cause":"no route"}  "RevocationFeed"',
    'log {"event":"revocations_readable"} "RevocationFeed"',
  ]);
});

const log = new KeptLog();
let isDown = false;
const claims = async () => {
  if (isDown) throw new Error('the directory is down');
  return {};
};

onBothAdapters({ options: options({ claims }), logger: log }, (fixture) => {
  beforeEach(() => {
    isDown = false;
    log.lines.length = 0;
  });

  test('a storm of 503 is one error in the log, the rest is for debugging', async () => {
    const { refreshToken } = await fixture.node.tokens.issue('alice');
    isDown = true;
    const answers = await Promise.all(Array.from({ length: 30 }, () => refresh(fixture.node, refreshToken)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([503]));
    expect(log.errors()).toEqual([
      expect.stringContaining('error {"code":"ERR_CLAIMS_UNAVAILABLE","cause":"the directory is down"}'),
    ]);
    expect(log.lines.filter((line) => line.includes('ERR_CLAIMS_UNAVAILABLE'))).toHaveLength(30);
  });

  test('a theft is a warning that names the session and its subject', async () => {
    const { node, database } = fixture;
    const { refreshToken, sid } = await node.tokens.issue('alice');
    await refresh(node, refreshToken);
    await database.passTime(60);
    await refresh(node, refreshToken);
    expect(log.lines.filter((line) => line.startsWith('warn'))).toEqual([
      `warn {"event":"reused","sid":"${sid}","subject":"alice","clientId":"default","generation":0} "TokenEvents"`,
    ]);
  });
});
