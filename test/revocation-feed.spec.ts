import type { RevocationFeed } from '../libs/auth/src/revocation/revocation.feed.js';
import { FeedWorld } from './support/feed.js';

let world: FeedWorld;
beforeEach(() => {
  world = new FeedWorld();
});

const tooOld = /cannot answer now/;

describe('the feed', () => {
  test.each(['refuse', 'accept'] as const)('refuses to answer before its first load: %s', (onStale) => {
    expect(() => world.feed({ onStale }).isRevoked('a', world.clock.wall)).toThrow(tooOld);
  });

  test('learns what it read of sessions, whatever becomes of the keys', async () => {
    const feed = world.feed({ onStale: 'accept' });
    await feed.refresh();
    world.keys = () => Promise.reject(new Error('keys'));
    world.gives('a');
    await expect(feed.refresh()).rejects.toThrow('keys');
    expect(feed.isRevoked('a', world.clock.wall)).toBe(true);
  });

  test('learns of sessions while a change of the keys is under way', async () => {
    const feed = world.feed();
    await feed.refresh();
    let changed!: () => void;
    world.keys = () => new Promise((resolve) => (changed = resolve));
    const told: string[] = [];
    feed.onRevoked((sids) => told.push(...sids));
    world.gives('a');
    const refreshed = feed.refresh();
    await new Promise(setImmediate);
    expect(told).toEqual(['a']);
    changed();
    await refreshed;
  });

  test('learns each page at once, and believes those before one that failed', async () => {
    const feed = world.feed();
    await feed.refresh();
    world.pages = [[{ sid: 'a', revokedAt: world.now }]];
    Object.defineProperty(world.pages, 1, {
      get: () => {
        throw new Error('down');
      },
      enumerable: true,
    });
    world.pass(2);
    await expect(feed.refresh()).rejects.toThrow('down');
    expect(feed.isRevoked('a', world.clock.wall)).toBe(true);
    expect(feed.staleness()).toBe(2);
  });

  test('is as old as the older of what it knows of sessions and of keys', async () => {
    const feed = world.feed();
    await feed.refresh();
    world.keys = () => Promise.reject(new Error('keys'));
    for (let seconds = 0; seconds < 30; seconds += 2) {
      world.pass(2);
      await feed.refresh().catch(() => {});
    }
    expect(feed.isRevoked('a', world.clock.wall)).toBe(false);
    world.pass(2);
    await feed.refresh().catch(() => {});
    expect(() => feed.isRevoked('a', world.clock.wall)).toThrow(tooOld);
  });

  test('is as old as the answer was when it was asked for', async () => {
    const feed = world.feed();
    world.age = 29_000;
    world.reading = async () => world.pass(0.5);
    await feed.refresh();
    expect(feed.staleness()).toBe(29.5);
    world.reading = async () => {};
    world.pass(1);
    expect(() => feed.isRevoked('a', world.clock.wall)).toThrow(tooOld);
  });

  test('is no older for an answer that is older than the one before', async () => {
    const feed = world.feed();
    await feed.refresh();
    world.pass(2);
    world.age = 20_000;
    world.gives('a');
    await feed.refresh();
    expect(feed.staleness()).toBe(2);
    expect(feed.isRevoked('a', world.clock.wall)).toBe(true);
  });

  test('tells everybody, though one listener fails', async () => {
    const feed = world.feed();
    const told: string[] = [];
    feed.onRevoked(() => {
      throw new Error('of the application');
    });
    feed.onRevoked((sids) => told.push(...sids));
    feed.learn(['a']);
    world.gives('b');
    await feed.refresh();
    expect(told).toEqual(['a', 'b']);
  });

  test.each(['wall', 'mono'] as const)('is stale by its %s clock alone', async (one) => {
    const feed = world.feed();
    await feed.refresh();
    world.clock[one] += 30_000;
    expect(feed.isRevoked('a', world.clock.wall)).toBe(false);
    world.clock[one] += 1;
    expect(() => feed.isRevoked('a', world.clock.wall)).toThrow(tooOld);
  });

  test('that is stale passes tokens unchecked only by choice, and still refuses what it knows', async () => {
    const feed = world.feed({ onStale: 'accept' });
    await feed.refresh();
    feed.learn(['known']);
    world.pass(3600);
    expect(feed.isRevoked('unknown', world.clock.wall)).toBe(false);
    expect(feed.isRevoked('known', world.clock.wall)).toBe(true);
  });

  test('keeps what it knew when a reading fails', async () => {
    const feed = world.feed();
    world.gives('a');
    await feed.refresh();
    world.reading = () => Promise.reject(new Error('down'));
    await expect(feed.refresh()).rejects.toThrow('down');
    expect(feed.isRevoked('a', world.clock.wall)).toBe(true);
  });

  test('reads an overlap at every poll, and the whole window every maxStaleness', async () => {
    const feed = world.feed();
    await feed.refresh();
    world.pass(2);
    await feed.refresh();
    world.pass(28);
    await feed.refresh();
    expect(world.windows).toEqual([3_905_000, 62_000, 3_905_000]);
  });

  test('reads back to the moment the last answer was as of, however late that came', async () => {
    const feed = world.feed();
    world.age = 5000;
    await feed.refresh();
    world.pass(2);
    await feed.refresh();
    expect(world.windows[1]).toBe(67_000);
  });

  test('forgets a session when no access token of it can live', async () => {
    const feed = world.feed();
    world.gives('a');
    await feed.refresh();
    world.pages = [];
    world.pass(424);
    await feed.refresh();
    expect(feed.isRevoked('a', world.clock.wall)).toBe(true);
    world.pass(1);
    await feed.refresh();
    expect(feed.isRevoked('a', world.clock.wall)).toBe(false);
  });

  test('tells of a session once, for as long as readings bring it', async () => {
    const feed = world.feed();
    const told: string[] = [];
    feed.onRevoked((sids) => told.push(...sids));
    world.gives('a');
    for (let seconds = 0; seconds < 3600; seconds += 30) {
      await feed.refresh();
      world.pass(30);
    }
    expect(told).toEqual(['a']);
  });

  test('counts from when it last heard of a session: a failover may have lost its first revocation', async () => {
    const feed = world.feed();
    const known = () => ['elsewhere', 'here', 'once'].map((sid) => feed.isRevoked(sid, world.clock.wall));
    const gone = () => (world.pages = []);
    world.gives('elsewhere', 'here', 'once');
    feed.learn(['here']);
    await feed.refresh();
    world.pass(300);
    feed.learn(['here']);
    world.gives('elsewhere');
    await feed.refresh();
    gone();
    world.pass(125);
    await feed.refresh();
    expect(known()).toEqual([true, true, false]);
    world.pass(299);
    await feed.refresh();
    expect(known()).toEqual([true, true, false]);
    world.pass(1);
    await feed.refresh();
    expect(known()).toEqual([false, false, false]);
  });
});

describe('the other nodes', () => {
  test('are told of what this node has revoked, and of nothing it has read or heard', async () => {
    const feed = world.feed();
    world.gives('read');
    await feed.onApplicationBootstrap();
    world.listener!.heard([{ sid: 'heard', revokedAt: world.now }], world.now);
    feed.learn([]);
    feed.learn(['made here']);
    expect(world.announced).toEqual(['made here']);
    for (const sid of ['read', 'heard', 'made here'])
      expect(feed.isRevoked(sid, world.clock.wall)).toBe(true);
    await feed.onApplicationShutdown();
  });

  test('are heard from the first load on, until the application has drained', async () => {
    const feed = world.feed();
    world.reading = async () => expect(world.listener).toBeUndefined();
    await feed.onApplicationBootstrap();
    expect(world.listener).toBeDefined();
    await feed.onApplicationShutdown();
    expect(world.isClosed).toBe(true);
  });

  test('that are heard confirm nothing: knowledge grows old all the same', async () => {
    const feed = world.feed();
    await feed.onApplicationBootstrap();
    world.pass(31);
    world.reading = () => Promise.reject(new Error('down'));
    await feed.refresh().catch(() => {});
    world.listener!.heard([{ sid: 'a', revokedAt: world.now }], world.now);
    expect(() => feed.isRevoked('a', world.clock.wall)).toThrow(tooOld);
    await feed.onApplicationShutdown();
  });

  test('are asked about nothing that is known', async () => {
    const feed = world.feed();
    world.gives('read');
    await feed.onApplicationBootstrap();
    feed.learn(['made here']);
    const known = ['read', 'made here', 'other'].map((sid) => world.listener!.isKnown(sid));
    expect(known).toEqual([true, true, false]);
    await feed.onApplicationShutdown();
  });
});

test('a source that tells of ever more sessions is not believed to be read, and forgotten as any other', async () => {
  world.restores = false;
  const feed = world.feed({ mostSessions: 3 });
  world.gives('a', 'b');
  await feed.refresh();
  world.pass(2);
  world.gives('c', 'd');
  await expect(feed.refresh()).rejects.toThrow('can be remembered');
  expect([feed.staleness(), feed.lag.size]).toEqual([2, 4]);
  world.pass(425);
  world.reading = () => Promise.reject(new Error('down'));
  await expect(feed.refresh()).rejects.toThrow('down');
  expect(feed.lag.size).toBe(0);
});

describe('a revocation that the database has lost', () => {
  const wholeReading = async (feed: RevocationFeed) => {
    world.pass(30);
    await feed.refresh();
  };

  test('is made again, whether this node made, read or heard it', async () => {
    const feed = world.feed();
    world.gives('read');
    await feed.onApplicationBootstrap();
    world.listener!.heard([{ sid: 'heard', revokedAt: world.now }], world.now);
    feed.learn(['made here']);
    world.gives();
    await wholeReading(feed);
    expect(world.restored.toSorted()).toEqual(['heard', 'made here', 'read']);
    expect(feed.isRevoked('read', world.clock.wall)).toBe(true);
    await feed.onApplicationShutdown();
  });

  test('is looked for as soon as a lost connection is there again, and not when the first one is', async () => {
    const feed = world.feed();
    await feed.onApplicationBootstrap();
    for (const window of [65_000, 3_905_000]) {
      world.windows.length = 0;
      world.listener!.joined();
      world.pass(5);
      await feed.refresh();
      expect(world.windows).toEqual([window]);
    }
    await feed.onApplicationShutdown();
  });

  test('is made again after an outage longer than the memory', async () => {
    const feed = world.feed();
    await feed.refresh();
    feed.learn(['lost']);
    world.reading = () => Promise.reject(new Error('down'));
    for (let seconds = 0; seconds < 900; seconds += 60) {
      world.pass(60);
      await feed.refresh().catch(() => {});
    }
    world.reading = async () => {};
    await feed.refresh();
    expect(world.restored).toEqual(['lost']);
  });

  test('is looked for by the first reading after one that failed', async () => {
    const feed = world.feed();
    await feed.refresh();
    world.pass(2);
    world.reading = () => Promise.reject(new Error('down'));
    await feed.refresh().catch(() => {});
    world.reading = async () => {};
    await feed.refresh();
    expect(world.windows).toEqual([3_905_000, 62_000, 3_905_000]);
  });

  test('is looked for once more when the connection is lost during a whole reading', async () => {
    const feed = world.feed();
    await feed.onApplicationBootstrap();
    world.listener!.joined();
    world.pass(30);
    world.reading = async () => world.listener!.joined();
    await feed.refresh();
    world.reading = async () => {};
    world.pass(1);
    await feed.refresh();
    expect(world.windows.slice(-2)).toEqual([3_905_000, 3_905_000]);
    await feed.onApplicationShutdown();
  });

  test('is noticed before it is forgotten, however seldom whole readings are due', async () => {
    const feed = world.feed({ maxStaleness: 3600 });
    await feed.refresh();
    feed.learn(['lost']);
    for (let seconds = 0; seconds < 240; seconds += 2) {
      world.pass(2);
      await feed.refresh();
    }
    expect(world.restored).toEqual(['lost']);
  });

  test('is none when a reading of the last minute does not bring it, or when it is told of', async () => {
    const feed = world.feed();
    world.gives('a');
    await feed.refresh();
    world.gives();
    world.pass(2);
    await feed.refresh();
    world.gives('a');
    await wholeReading(feed);
    expect(world.restored).toEqual([]);
  });

  test('is none when it is older than a reading goes back, or younger than the reading itself', async () => {
    const feed = world.feed();
    world.pages = [[{ sid: 'old', revokedAt: world.now - 3_870_000 }]];
    await feed.refresh();
    world.gives();
    world.reading = async () => feed.learn(['young']);
    await wholeReading(feed);
    expect(world.restored).toEqual([]);
  });
});

test('an application whose first load fails does not start, and says why', async () => {
  world.reading = () => Promise.reject(new Error('no such table'));
  await expect(world.feed().onApplicationBootstrap()).rejects.toThrow(/cannot be read.*no such table/s);
  expect(world.listener).toBeUndefined();
});
