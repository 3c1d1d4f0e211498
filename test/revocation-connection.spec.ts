import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { DataSource } from 'typeorm';
import { listeningFor } from '../libs/auth/src/storage/channel.statements.js';
import { ListeningConnection } from '../libs/auth/src/storage/listening-connection.js';
import { Channels, Ear, TABLE } from './support/channel.js';
import { dataSourceOptions } from './support/database.js';
import { KeptLog } from './support/kept-log.js';
import { soon } from './support/wire.js';

let world: Channels;
beforeAll(async () => {
  world = await Channels.create();
});
afterAll(() => world.database.drop());
beforeEach(() => world.begin());
afterEach(() => world.end());

describe('a connection', () => {
  const impatient = { answer: 200, heartbeat: 50, connect: 300, firstRetry: 20, probe: 300 };

  test('that is half open is noticed by its silence, and replaced; the log has one line for each turn', async () => {
    const log = new KeptLog();
    const { ear } = await world.hearing({ pace: impatient, log });
    world.wire.isBlackHole = true;
    const { joins } = ear;
    expect(await soon(() => world.wire.opened > 4)).toBe(true);
    expect(log.lines).toEqual([
      expect.stringMatching(/^warn {"event":"revocations_unheard","cause":"No answer from PostgreSQL/),
    ]);
    const missed = await world.family({ revoked: true });
    await world.notify(missed);
    world.wire.heal();
    expect(await soon(() => log.lines.length > 1)).toBe(true);
    expect(log.lines[1]).toBe('log {"event":"revocations_heard"}');
    expect(ear.sids).not.toContain(missed);
    expect(ear.joins).toBeGreaterThan(joins);
    const next = await world.family({ revoked: true });
    await world.notify(next);
    expect(await soon(() => ear.sids.includes(next))).toBe(true);
    expect(log.lines).toHaveLength(2);
  });

  test('whose session has been exchanged for another is over', async () => {
    const sql = listeningFor(TABLE);
    const client = new Client({ connectionString: world.wire.url });
    const connection = new ListeningConnection(
      client,
      { connect: 2000, answer: 2000, goodbye: 100 },
      () => {},
    );
    await connection.connect();
    await connection.query(sql.listen);
    connection.watch(sql.isListening, 10);
    expect(await soon(() => connection.hasLasted)).toBe(true);
    await connection.query(sql.unlisten);
    expect((await connection.ended).message).toMatch(/is gone/);
    await expect(connection.query('select 1')).rejects.toThrow(/is gone/);
    expect(await soon(() => world.wire.clients === 0)).toBe(true);
  });

  test('that is refused is tried again, ever more seldom', async () => {
    world.wire.isRefusing = true;
    const log = new KeptLog();
    const channel = world.channelWith({ log, pace: { firstRetry: 10, longestRetry: 100 } });
    const ear = new Ear();
    channel.open(ear);
    expect(await soon(() => world.wire.opened > 8)).toBe(true);
    expect(log.lines).toHaveLength(1);
    world.wire.isRefusing = false;
    expect(await soon(() => log.lines.length === 2)).toBe(true);
    expect(ear.joins).toBe(1);
  });

  test('on which nothing is delivered is given up with the remedy, and polling alone serves', async () => {
    world.wire.isDeaf = true;
    const log = new KeptLog();
    const channel = world.channelWith({ log, pace: { probe: 100, deafRetry: 100 } });
    const ear = new Ear();
    channel.open(ear);
    expect(await soon(() => world.wire.opened >= 4)).toBe(true);
    expect(log.lines).toEqual([
      expect.stringMatching(/^warn .*pooler.*revocation\.listenUrl.*revocation\.listen: false/),
    ]);
    expect(await world.listeners()).toBe(0);
    world.wire.isDeaf = false;
    expect(await soon(async () => (await world.listeners()) === 1)).toBe(true);
    expect(await soon(() => log.lines.length === 2)).toBe(true);
    expect(log.lines[1]).toBe('log {"event":"revocations_heard"}');
  });

  test('on which nothing is delivered is not tried again for minutes', async () => {
    world.wire.isDeaf = true;
    const log = new KeptLog();
    world.channelWith({ log, pace: { probe: 20 } }).open(new Ear());
    expect(await soon(() => log.lines.length === 1)).toBe(true);
    expect(await soon(() => world.wire.opened > 1, 500)).toBe(false);
    expect(world.wire.clients).toBe(0);
  });

  test('is the pool’s own kind, where no other address is given', async () => {
    const { ear } = await world.hearing({ listenUrl: undefined });
    const sid = await world.family({ revoked: true });
    await world.notify(sid);
    expect(await soon(() => ear.sids.includes(sid))).toBe(true);
    expect(world.wire.opened).toBe(0);
  });

  describe('takes the password of the pool', () => {
    beforeEach(() => {
      process.env['PGPASSWORD'] = 'not this one';
    });
    afterEach(() => {
      delete process.env['PGPASSWORD'];
    });

    test.each<[what: string, password: (text: string) => unknown]>([
      ['that was given to it', (text) => text],
      ['that it fetches', (text) => async () => text],
    ])('%s', async (_, password) => {
      await world.hearing({ on: await dataSourceWith(password), listenUrl: undefined });
    });
  });

  test('takes the password of the pool, which may be fetched, when its own address has none', async () => {
    const bare = new URL(world.wire.url);
    bare.password = '';
    await world.hearing({ on: await dataSourceWith((text) => async () => text), listenUrl: bare.href });
    expect(world.wire.opened).toBe(1);
  });

  /** Its address in parts, as pg-pool hides only a password that stands alone. */
  async function dataSourceWith(password: (text: string) => unknown): Promise<DataSource> {
    const { username, password: text, hostname: host, port, pathname } = new URL(world.database.url);
    const parts = { host, port: Number(port), username, database: pathname.slice(1) };
    const given = await new DataSource({
      ...dataSourceOptions(world.database.url, { poolSize: 2 }),
      url: undefined,
      ...parts,
      password: password(decodeURIComponent(text)),
    } as never).initialize();
    world.opened.push({ close: () => given.destroy() });
    return given;
  }

  test('is none where the options want none', async () => {
    const ear = new Ear();
    world.channelWith({ listen: false }).open(ear);
    const { ear: other } = await world.hearing({ listenUrl: undefined });
    expect(other.joins).toBe(1);
    expect(ear.joins).toBe(0);
    expect(world.wire.opened).toBe(0);
  });

  test('is not taken from the pool', async () => {
    const small = await world.database.connect({ poolSize: 1 });
    await world.hearing({ on: small });
    expect(await small.query('select 1 as one')).toEqual([{ one: 1 }]);
    expect(world.wire.clients).toBe(1);
  });

  test('is not opened any more when the data source is closed', async () => {
    const own = await world.database.connect({ poolSize: 2 });
    const log = new KeptLog();
    const { channel } = await world.hearing({ on: own, log });
    await own.destroy();
    await world.database.query(
      `select pg_terminate_backend(pid, 5000) from pg_stat_activity
       where datname = current_database() and application_name = 'revocations'`,
    );
    expect(await soon(() => log.lines.length > 0)).toBe(true);
    channel.announce([randomUUID()]);
    await channel.close();
    expect(log.errors()).toEqual([]);
  });
});

describe('the end', () => {
  const within = async (milliseconds: number, work: Promise<void>) => {
    const began = performance.now();
    await work;
    expect(performance.now() - began).toBeLessThan(milliseconds);
  };

  test('takes leave of the server', async () => {
    const { channel } = await world.hearing();
    await within(1000, channel.close());
    expect(await soon(async () => (await world.listeners()) === 0)).toBe(true);
    await within(50, channel.close());
  });

  test('is quick though the network swallows everything', async () => {
    const { channel } = await world.hearing();
    world.wire.isBlackHole = true;
    await within(1000, channel.close());
    expect(await soon(() => world.wire.heal() === 0)).toBe(true);
  });

  test('is quick while a connection is being opened into nothing', async () => {
    world.wire.isBlackHole = true;
    const channel = world.channelWith();
    channel.open(new Ear());
    expect(await soon(() => world.wire.opened === 1)).toBe(true);
    await within(1000, channel.close());
    expect(await soon(() => world.wire.heal() === 0)).toBe(true);
  });

  test('is quick between two attempts, and there is no other one', async () => {
    world.wire.isRefusing = true;
    const log = new KeptLog();
    const channel = world.channelWith({ log, pace: { firstRetry: 60_000, longestRetry: 60_000 } });
    channel.open(new Ear());
    expect(await soon(() => log.lines.length === 1)).toBe(true);
    await within(50, channel.close());
    channel.open(new Ear());
    expect(world.wire.opened).toBe(1);
  });

  test('before the beginning is one, too', async () => {
    const channel = world.channelWith();
    await within(50, channel.close());
    channel.open(new Ear());
    await new Promise(setImmediate);
    expect(world.wire.opened).toBe(0);
  });
});
