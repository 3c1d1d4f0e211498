import { FeedWorld } from './support/feed.js';

let world: FeedWorld;
beforeEach(() => {
  world = new FeedWorld();
});

const tooOld = /cannot answer now/;

describe('a snapshot', () => {
  test('names those revoked at that time or later, and when it is as of', async () => {
    const feed = world.feed();
    const { now } = world;
    world.pages = [[{ sid: 'a', revokedAt: now - 2000 }], [{ sid: 'b', revokedAt: now - 1000 }]];
    await feed.refresh();
    world.pass(3);
    expect(feed.snapshot(now - 1000, 10_000)).toEqual({
      sids: ['b'],
      next: null,
      asOf: now,
      age: 3000,
    });
    expect(feed.snapshot(now - 999, 10_000).sids).toEqual([]);
    expect(feed.snapshot(-Infinity, 10_000).sids).toEqual(['a', 'b']);
  });

  test('comes in pages, in the order of time, and equal times stay together', async () => {
    const feed = world.feed();
    const { now } = world;
    const at = (sid: string, seconds: number) => ({ sid, revokedAt: now - seconds * 1000 });
    world.pages = [
      [at('d', 1), at('a', 4)],
      [at('b', 3), at('c', 3), at('e', 0)],
    ];
    await feed.refresh();
    feed.learn(['own']);
    expect(feed.snapshot(-Infinity, 2)).toMatchObject({ sids: ['a', 'b', 'c'], next: now - 1000 });
    expect(feed.snapshot(now - 1000, 2)).toMatchObject({ sids: ['d', 'e', 'own'], next: null });
    expect(feed.snapshot(-Infinity, 1)).toMatchObject({ sids: ['a'], next: now - 3000 });
    expect(feed.snapshot(-Infinity, 0)).toMatchObject({ sids: [], next: now - 4000 });
    feed.learn(['other own']);
    expect(feed.snapshot(now, 1)).toMatchObject({ sids: ['e', 'own'], next: null });
    expect(feed.snapshot(Infinity, 0)).toMatchObject({ sids: [], next: null });
  });

  test('has each session once, at its latest time, and none that is forgotten', async () => {
    const feed = world.feed();
    world.gives('a', 'b');
    await feed.refresh();
    world.pass(200);
    world.gives('a');
    await feed.refresh();
    expect(feed.snapshot(-Infinity, 10).sids).toEqual(['b', 'a']);
    world.pages = [];
    world.pass(226);
    await feed.refresh();
    expect(feed.snapshot(-Infinity, 10).sids).toEqual(['a']);
  });

  test('names what this node has revoked and not read back, whatever is asked for', async () => {
    const feed = world.feed();
    await feed.refresh();
    feed.learn(['own']);
    expect(feed.snapshot(Infinity, 10_000).sids).toEqual(['own']);
    world.gives('own');
    await feed.refresh();
    expect(feed.snapshot(world.now, 10_000).sids).toEqual(['own']);
    expect(feed.snapshot(world.now + 1, 10_000).sids).toEqual([]);
  });

  test('is as of the newest answer that was confirmed, with the age that had', async () => {
    const feed = world.feed();
    world.age = 4000;
    await feed.refresh();
    const { now } = world;
    expect(feed.snapshot(0, 10_000)).toMatchObject({ asOf: now, age: 4000 });
    world.pass(1);
    world.age = 20_000;
    await feed.refresh();
    expect(feed.snapshot(0, 10_000)).toMatchObject({ asOf: now, age: 5000 });
    world.pass(1);
    world.age = 0;
    world.reading = async () => world.pass(0.25);
    await feed.refresh();
    expect(feed.snapshot(0, 10_000)).toMatchObject({ asOf: now + 2000, age: 250 });
  });

  test('is not confirmed by what is heard, nor made old by keys that cannot be read', async () => {
    const feed = world.feed();
    await feed.onApplicationBootstrap();
    world.pass(1);
    world.listener!.heard([{ sid: 'a', revokedAt: world.now }], world.now);
    expect(feed.snapshot(0, 10_000)).toMatchObject({ sids: ['a'], age: 1000 });
    world.keys = () => Promise.reject(new Error('keys'));
    world.pass(30);
    await feed.refresh().catch(() => {});
    expect(feed.snapshot(0, 10_000)).toMatchObject({ age: 0 });
    await feed.onApplicationShutdown();
  });

  test.each(['refuse', 'accept'] as const)('is refused when it would be too old: %s', async (onStale) => {
    const feed = world.feed({ onStale });
    expect(() => feed.snapshot(0, 10_000)).toThrow(tooOld);
    await feed.refresh();
    world.pass(30);
    expect(feed.snapshot(0, 10_000)).toMatchObject({ age: 30_000 });
    world.clock.wall += 1;
    expect(() => feed.snapshot(0, 10_000)).toThrow(tooOld);
  });
});

test('the version changes whenever a snapshot might, and only then', async () => {
  const feed = world.feed();
  const changes = async (step: () => unknown): Promise<boolean> => {
    const before = feed.version;
    await step();
    return feed.version !== before;
  };
  await feed.refresh();
  expect(await changes(() => feed.learn(['own']))).toBe(true);
  world.gives('own');
  expect(await changes(() => feed.refresh())).toBe(true);
  expect(await changes(() => feed.refresh())).toBe(false);
  world.pages = [[]];
  expect(await changes(() => feed.refresh())).toBe(false);
  world.pass(425);
  expect(await changes(() => feed.refresh())).toBe(true);
  expect(feed.lag.size).toBe(0);
});

describe('the lag', () => {
  test('is that of sessions read or heard after the first load, in seconds', async () => {
    const feed = world.feed();
    world.gives('before');
    world.pass(10);
    await feed.onApplicationBootstrap();
    expect(feed.lag).toEqual({ count: 0, sum: 0, last: null, size: 1 });
    feed.learn(['own']);
    const { now } = world;
    world.pages = [[{ sid: 'own', revokedAt: now }], [{ sid: 'read', revokedAt: now - 1500 }]];
    await feed.refresh();
    expect(feed.lag).toEqual({ count: 1, sum: 1.5, last: 1.5, size: 3 });
    const heard = [{ sid: 'heard', revokedAt: now }];
    world.listener!.heard(heard, now + 250);
    world.listener!.heard(heard, now + 1000);
    expect(feed.lag).toEqual({ count: 2, sum: 1.75, last: 0.25, size: 4 });
    await feed.onApplicationShutdown();
  });

  test('counts the age of the answer, and none below nought', async () => {
    const feed = world.feed();
    await feed.refresh();
    const { now } = world;
    world.age = 2000;
    world.pages = [[{ sid: 'a', revokedAt: now - 1000 }]];
    await feed.refresh();
    expect(feed.lag).toMatchObject({ count: 1, last: 3 });
    world.age = 0;
    world.pages = [[{ sid: 'later page', revokedAt: now + 20 }]];
    await feed.refresh();
    expect(feed.lag).toMatchObject({ count: 2, sum: 3, last: 0 });
  });

  test('does not count what was forgotten and is read again', async () => {
    const feed = world.feed();
    await feed.refresh();
    world.gives('a');
    await feed.refresh();
    const [page] = world.pages;
    world.pages = [];
    world.pass(425);
    await feed.refresh();
    world.pages = [page!];
    world.pass(30);
    await feed.refresh();
    expect(feed.lag).toMatchObject({ count: 1, size: 1 });
  });
});

test('a hundred thousand revocations are learned and told without holding up the node for long', async () => {
  const feed = world.feed();
  const sids = Array.from({ length: 100_000 }, (_, index) => `${index}`);
  world.gives(...sids);
  const began = performance.now();
  await feed.refresh();
  expect(feed.snapshot(world.now, 100_000).sids).toHaveLength(100_000);
  expect(performance.now() - began).toBeLessThan(1000);
});
