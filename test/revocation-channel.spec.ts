import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { channelOf } from '../libs/auth/src/storage/channel.statements.js';
import { CHANNEL, Channels } from './support/channel.js';
import { KeptLog } from './support/kept-log.js';
import { soon } from './support/wire.js';

let world: Channels;
beforeAll(async () => {
  world = await Channels.create();
});
afterAll(() => world.database.drop());
beforeEach(() => world.begin());
afterEach(() => world.end());

describe('what is announced', () => {
  test('is heard on another node, with its time on the database’s clock', async () => {
    const { ear } = await world.hearing();
    const sid = await world.family({ revoked: true });
    world.channelWith().announce([sid]);
    expect(await soon(() => ear.sessions.length > 0)).toBe(true);
    const [row] = await world.database.query<{ at: number }>(
      'select (extract(epoch from revoked_at) * 1000)::float8 as at from refresh_token where family_id = $1',
      [sid],
    );
    expect(ear.sessions).toEqual([{ sid, revokedAt: row!.at }]);
    expect(ear.times[0]).toBeGreaterThan(row!.at);
    expect(ear.times[0]! - row!.at).toBeLessThan(5000);
  });

  test('is named up to 2,000 at once, and beyond that read', async () => {
    const { ear } = await world.hearing();
    const sids = await Promise.all(Array.from({ length: 20 }, () => world.family({ revoked: true })));
    const misses = ear.misses;
    const others = Array.from({ length: 1981 }, () => randomUUID());
    world.channelWith().announce([...others.slice(1), ...sids]);
    expect(await soon(() => ear.sessions.length === 20)).toBe(true);
    expect(ear.sids.toSorted()).toEqual(sids.toSorted());
    expect(ear.misses).toBe(misses);
    world.channelWith().announce([...others, ...sids]);
    expect(await soon(() => ear.misses === misses + 1)).toBe(true);
    expect(ear.sessions).toHaveLength(20);
  });

  test('while a notification is under way shares the next one', async () => {
    const heard = await listen();
    const channel = world.channelWith();
    const sids = Array.from({ length: 150 }, () => randomUUID());
    for (const sid of sids) channel.announce([sid]);
    expect(await soon(() => heard.join().length >= 150 * 37 - 2)).toBe(true);
    expect(heard).toEqual([sids[0], sids.slice(1).join(',')]);
  });

  test('is no news any more once it is clear that there are too many to name', async () => {
    const heard = await listen();
    const channel = world.channelWith();
    for (let batch = 0; batch < 60; batch++)
      channel.announce(Array.from({ length: 5000 }, () => randomUUID()));
    expect(await soon(() => heard.length === 2)).toBe(true);
    expect(heard).toEqual(['*', '*']);
  });

  test('fails nothing when the pool is exhausted, and is dropped in bounded time', async () => {
    const small = await world.database.connect({ poolSize: 1 });
    const log = new KeptLog();
    const channel = world.channelWith({ on: small, log });
    const holder = small.createQueryRunner();
    await holder.connect();
    channel.announce([randomUUID()]);
    expect(await soon(() => log.lines.length > 0, 4000)).toBe(true);
    expect(log.lines).toEqual([
      expect.stringMatching(/^debug {"event":"revocations_unannounced","cause":"No answer/),
    ]);
    await holder.release();
    const heard = await listen();
    channel.announce(['after']);
    expect(await soon(() => heard.length > 0)).toBe(true);
    expect(heard).toEqual(['after']);
  });

  test('is not announced by a channel that is closed', async () => {
    const heard = await listen();
    const channel = world.channelWith();
    await channel.close();
    channel.announce([randomUUID()]);
    world.channelWith().announce(['open']);
    expect(await soon(() => heard.length > 0)).toBe(true);
    expect(heard).toEqual(['open']);
  });

  async function listen(): Promise<string[]> {
    const client = new Client({ connectionString: world.database.url });
    await client.connect();
    await client.query(`listen "${CHANNEL}"`);
    const heard: string[] = [];
    client.on('notification', ({ payload }) => void heard.push(payload!));
    world.opened.push({ close: () => client.end() });
    return heard;
  }
});

describe('a notification', () => {
  test.each<[what: string, payload: (sids: { alive: string; dead: string }) => string]>([
    ['of a session that lives', ({ alive }) => alive],
    ['of an unknown session', () => randomUUID()],
    ['of nothing', () => ''],
    ['in upper case', ({ dead }) => dead.toUpperCase()],
    ['of something that is no id', () => `'; drop table refresh_token; --,null,${'x'.repeat(7000)}`],
    ['with somebody else’s proof', () => `?${randomUUID()}`],
    ['of an id with something around it', ({ dead }) => ` ${dead} `],
  ])('%s is not believed, and harms nothing', async (_, payload) => {
    const { ear } = await world.hearing();
    const sids = {
      alive: await world.family({ revoked: false }),
      dead: await world.family({ revoked: true }),
    };
    const misses = ear.misses;
    await world.notify(payload(sids));
    const last = await world.family({ revoked: true });
    await world.notify(last);
    expect(await soon(() => ear.sids.includes(last))).toBe(true);
    expect(ear.sids).toEqual([last]);
    expect(ear.misses).toBe(misses);
  });

  test('on another channel is none of ours', async () => {
    const { ear } = await world.hearing();
    const [other, last] = [await world.family({ revoked: true }), await world.family({ revoked: true })];
    await world.notify(other, channelOf('"another_table"'));
    await world.notify(last);
    expect(await soon(() => ear.sids.includes(last))).toBe(true);
    expect(ear.sids).toEqual([last]);
  });

  test('names living sessions and others together: those the table confirms are heard', async () => {
    const { ear } = await world.hearing();
    const [alive, dead, gone] = [
      await world.family({ revoked: false }),
      await world.family({ revoked: true }),
      randomUUID(),
    ];
    await world.notify([alive, dead, gone, 'garbage', dead].join(','));
    expect(await soon(() => ear.sids.includes(dead))).toBe(true);
    expect(ear.sids).toEqual([dead]);
  });

  test('of what is known costs no look-up', async () => {
    const { ear } = await world.hearing();
    const [known, last] = [await world.family({ revoked: true }), await world.family({ revoked: true })];
    ear.known.add(known);
    await world.notify(known);
    await world.notify(last);
    expect(await soon(() => ear.sids.includes(last))).toBe(true);
    expect(ear.sids).toEqual([last]);
  });

  test('of very many, faster than they are looked up, is answered by one reading', async () => {
    const { ear } = await world.hearing();
    const misses = ear.misses;
    const page = () => Array.from({ length: 200 }, () => randomUUID()).join(',');
    await world.database.query('select pg_notify($1, payload) from unnest($2::text[]) as payload', [
      CHANNEL,
      Array.from({ length: 40 }, page),
    ]);
    expect(await soon(() => ear.misses > misses)).toBe(true);
    const last = await world.family({ revoked: true });
    await world.notify(last);
    expect(await soon(() => ear.sids.includes(last))).toBe(true);
  });

  test('that cannot be looked up is answered by a reading', async () => {
    const { ear } = await world.hearing();
    const misses = ear.misses;
    await world.database.query('alter table refresh_token rename to hidden');
    try {
      await world.notify(randomUUID());
      expect(await soon(() => ear.misses === misses + 1)).toBe(true);
    } finally {
      await world.database.query('alter table hidden rename to refresh_token');
    }
    const last = await world.family({ revoked: true });
    await world.notify(last);
    expect(await soon(() => ear.sids.includes(last))).toBe(true);
    expect(world.wire.opened).toBe(1);
  });
});
