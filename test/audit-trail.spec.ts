import { randomUUID } from 'node:crypto';
import {
  AuthModule,
  ConfigError,
  InvalidGrantError,
  TokenEvents,
  TokenHealth,
  TokenPruning,
  type ClaimsProvider,
  type TokenEvent,
} from 'nestjs-token-family';
import { AuditTrail } from '../libs/auth/src/issuer/audit-trail.js';
import type { AuditStore } from '../libs/auth/src/core/ports.js';
import { MemoryAuditStore } from '../libs/auth/src/storage/memory-audit.store.js';
import { TypeOrmAuditStore } from '../libs/auth/src/storage/typeorm-audit.store.js';
import { createDatabase, withAuditTable, type TestDatabase } from './support/database.js';
import { refresh } from './support/http.js';
import { KeptLog } from './support/kept-log.js';
import { options, startNode, type TestNode } from './support/node.js';
import { seedFamilies } from './support/seed.js';
import { codec, DAY, storeOptions } from './support/stores.js';

interface Entry {
  readonly id: string;
  readonly at: Date;
  readonly type: string;
  readonly sid: string;
  readonly subject: string;
  readonly client_id: string | null;
  readonly generation: number | null;
  readonly detail: Record<string, unknown> | null;
}

let database: TestDatabase;
beforeEach(async () => {
  database = await withAuditTable(await createDatabase());
});
afterEach(() => database.drop());

async function entries(): Promise<Entry[]> {
  return database.query<Entry>('select * from token_audit order by id');
}

const settings = options({ clients: [{ id: 'web' }], audit: { enabled: true }, prune: { enabled: false } });

describe('on a node', () => {
  let node: TestNode;
  const flush = () => node.get(AuditTrail).flush();
  beforeEach(async () => {
    node = await startNode({ url: database.url, options: settings, audit: true });
  });
  afterEach(() => node.close());

  test('reuse is written down, and the revocation that followed', async () => {
    const subject = randomUUID();
    const { refreshToken, sid } = await node.tokens.issue(subject, { clientId: 'web' });
    await node.tokens.rotate(refreshToken, { clientId: 'web' });
    await database.passTime(60);
    await expect(node.tokens.rotate(refreshToken, { clientId: 'web' })).rejects.toThrow(InvalidGrantError);
    await flush();
    expect(await entries()).toEqual([
      {
        id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7/),
        at: expect.any(Date),
        type: 'reused',
        sid,
        subject,
        client_id: 'web',
        generation: 0,
        detail: null,
      },
      expect.objectContaining({ type: 'revoked', sid, client_id: null, detail: { reason: 'reuse' } }),
    ]);
  });

  test('a late retry is written down, and an ordinary one is not', async () => {
    const { refreshToken, sid } = await node.tokens.issue(randomUUID());
    const key = { idempotencyKey: randomUUID() };
    await node.tokens.rotate(refreshToken, key);
    await node.tokens.rotate(refreshToken, key);
    await flush();
    expect(await entries()).toEqual([]);
    await database.passTime(60);
    await node.tokens.rotate(refreshToken, key);
    await flush();
    expect(await entries()).toMatchObject([{ type: 'retried', sid, detail: { late: true } }]);
  });

  test('every revocation is written down but a logout', async () => {
    const subject = randomUUID();
    const [out, ended, changed] = [
      await node.tokens.issue(subject),
      await node.tokens.issue(subject),
      await node.tokens.issue(subject),
    ];
    await node.tokens.revoke(out.sid);
    await node.tokens.revoke(ended.sid, { reason: 'administrative' });
    await node.tokens.passwordChanged(subject);
    await flush();
    expect(await entries()).toMatchObject([
      { sid: ended.sid, subject, detail: { reason: 'administrative' } },
      { sid: changed.sid, subject, detail: { reason: 'password_change' } },
    ]);
  });

  test('the time of an entry is that of the event, on the database’s clock', async () => {
    const { sid } = await node.tokens.issue(randomUUID());
    await node.tokens.revoke(sid, { reason: 'administrative' });
    await new Promise((resolve) => setTimeout(resolve, 300));
    await flush();
    const [row] = await database.query<{ apart: number }>(
      `select abs(extract(epoch from at - revoked_at))::float8 as apart from token_audit join refresh_token on sid = family_id`,
    );
    expect(row!.apart).toBeLessThan(0.2);
  });

  test('the end of 20,000 sessions in one call leaves an entry for each, as it goes no faster than they are written', async () => {
    await database.query(`
      create function slow() returns trigger language plpgsql as
        $$ begin perform pg_sleep(0.1); return null; end $$;
      create trigger slow before insert on token_audit for each statement execute function slow()`);
    await seedFamilies(database, 20_000);
    expect(await node.tokens.revokeEveryone()).toBe(20_000);
    await flush();
    expect(await entries()).toHaveLength(20_000);
  });

  test('what waits is written when the application closes', async () => {
    const { sid } = await node.tokens.issue(randomUUID());
    await node.tokens.revoke(sid, { reason: 'administrative' });
    await node.close();
    expect(await entries()).toMatchObject([{ sid }]);
  });

  test('what waits is written a moment later by itself', async () => {
    const { sid } = await node.tokens.issue(randomUUID());
    await node.tokens.revoke(sid, { reason: 'administrative' });
    const deadline = performance.now() + 5_000;
    while ((await entries()).length === 0) expect(performance.now()).toBeLessThan(deadline);
  });

  test('entries older than audit.keep go when families do', async () => {
    for (const age of [91, 89]) {
      await database.query(
        `insert into token_audit (id, at, type, sid, subject)
         select (lpad(to_hex((extract(epoch from moment) * 1000)::bigint), 12, '0') || '70008000' || repeat('1', 12))::uuid,
                moment, 'reused', gen_random_uuid(), 'old'
         from (select now() - $1 * interval '1 day' as moment) as ago`,
        [age],
      );
    }
    await node.get(TokenPruning).run();
    expect(await entries()).toHaveLength(1);
  });
});

describe('a trail that cannot be kept', () => {
  let node: TestNode | undefined;
  afterEach(async () => {
    await node?.close();
    node = undefined;
  });

  test('stops the start when the data source does not know the entity, and says what to do', async () => {
    const error = await startNode({ url: database.url, options: settings }).catch(
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(ConfigError);
    expect((error as ConfigError).faults).toEqual([
      expect.stringMatching(/audit\.enabled.*TokenAudit.*tokenFamilyAuditMigrations/),
    ]);
  });

  test('is not asked for by default: neither entity nor table is missed', async () => {
    const plain = await createDatabase();
    node = await startNode({ url: plain.url });
    const { sid } = await node.tokens.issue(randomUUID());
    expect(await node.tokens.revoke(sid, { reason: 'administrative' })).toBe(true);
    await node.close();
    node = undefined;
    await plain.drop();
  });

  test('stops no end of everyone, and is told', async () => {
    const log = new KeptLog();
    node = await startNode({ url: database.url, options: settings, audit: true, logger: log });
    await database.query('alter table token_audit rename to elsewhere');
    await seedFamilies(database, 12_000);
    expect(await node.tokens.revokeEveryone()).toBe(12_000);
    await node.close();
    node = undefined;
    expect(log.errors().at(-1)).toMatch(/The audit trail lost 12000 entries/);
  });

  test('fails no request, is told once, and what waited is written when the table is back', async () => {
    const log = new KeptLog();
    node = await startNode({ url: database.url, options: settings, audit: true, logger: log });
    await database.query('alter table token_audit rename to elsewhere');
    const pairs = [await node.tokens.issue(randomUUID()), await node.tokens.issue(randomUUID())];
    for (const { sid } of pairs) {
      expect(await node.tokens.revoke(sid, { reason: 'administrative' })).toBe(true);
      await node.get(AuditTrail).flush();
    }
    const told = () => log.lines.filter((line) => line.includes('audit trail'));
    expect(told()).toEqual([expect.stringMatching(/^error .*cannot be written.*tokenFamilyAuditMigrations/)]);
    await database.query('alter table elsewhere rename to token_audit');
    await node.get(AuditTrail).flush();
    expect((await entries()).map(({ sid }) => sid)).toEqual(pairs.map(({ sid }) => sid));
    expect(told()[1]).toMatch(/^log .*written again/);
  });
});

describe('a shutdown', () => {
  const LOST = /The audit trail lost 1 entries/;

  /** A node that closes while a refresh is asked for its claims, which then refuses the subject. */
  async function closing(authFirst: boolean, meanwhile: () => Promise<unknown>): Promise<KeptLog> {
    let refuse!: () => void;
    let asked: (() => void) | undefined;
    const claims: ClaimsProvider = () => {
      if (!asked) return {};
      asked();
      return new Promise<null>((resolve) => (refuse = () => resolve(null)));
    };
    const log = new KeptLog();
    const node = await startNode({
      url: database.url,
      options: { ...settings, claims },
      audit: true,
      logger: log,
      authFirst,
    });
    const { refreshToken } = await node.tokens.issue('alice');
    const underWay = new Promise<void>((resolve) => (asked = resolve));
    const answered = refresh(node, refreshToken, { connection: 'close' });
    await underWay;
    const closed = node.close();
    while ((await node.get(TokenHealth).ready())['token_shutdown'] === undefined);
    await meanwhile();
    refuse();
    expect((await answered).status).toBe(400);
    await closed;
    return log;
  }

  test.each([[true], [false]])(
    'writes what a request still under way has added, whether AuthModule is listed first (%s) or last',
    async (authFirst) => {
      const log = await closing(authFirst, async () => {});
      expect(await entries()).toMatchObject([{ subject: 'alice', detail: { reason: 'subject_refused' } }]);
      expect(log.errors().filter((line) => line.includes('audit'))).toEqual([]);
    },
  );

  test('tells how many entries it could not write', async () => {
    const log = await closing(false, () => database.query('alter table token_audit rename to elsewhere'));
    expect(log.errors().at(-1)).toMatch(LOST);
  });
});

describe('many entries at once', () => {
  /** A trail over a store that does as told, and how to add an entry to it. */
  function trailOver(append: (batch: readonly unknown[]) => Promise<void>): [AuditTrail, () => void] {
    const events = new TokenEvents();
    const clock = { now: () => Date.now(), monotonic: () => performance.now() };
    const trail = new AuditTrail({ append } as unknown as AuditStore, events, clock);
    return [trail, () => events.emit({ type: 'revoked', sid: 'x', subject: 's', reason: 'administrative' })];
  }

  test('are written when there are 1,000, and not a second later', async () => {
    const batches: number[] = [];
    const [trail, tell] = trailOver(async (batch) => void batches.push(batch.length));
    for (let count = 0; count < 999; count++) tell();
    expect(batches).toEqual([]);
    tell();
    expect(batches).toEqual([1_000]);
    await trail.onApplicationShutdown();
  });

  test('are not waited for beyond 2 s', async () => {
    const [trail, tell] = trailOver(() => new Promise(() => {}));
    for (let count = 0; count < 1_001; count++) tell();
    const begun = performance.now();
    await trail.keptUp();
    expect(performance.now() - begun).toBeGreaterThan(1_900);
  });
});

describe('beyond 10,000 entries', () => {
  test('the oldest are lost, and the log says how many', async () => {
    const log = new KeptLog();
    const { Logger } = await import('@nestjs/common');
    Logger.overrideLogger(log);
    const events = new TokenEvents();
    let fails = true;
    const kept: string[] = [];
    const store: Pick<AuditStore, 'append'> = {
      append: async (batch) => {
        if (fails) throw new Error('down');
        kept.push(...batch.map(({ sid }) => sid));
      },
    };
    const clock = { now: () => Date.now(), monotonic: () => performance.now() };
    const trail = new AuditTrail(store as AuditStore, events, clock);
    const tell = (sid: string) => {
      const event: TokenEvent = { type: 'revoked', sid, subject: 's', reason: 'administrative' };
      events.emit(event);
    };
    for (let count = 0; count < 10_003; count++) tell(String(count));
    await trail.flush();
    tell('last');
    fails = false;
    await trail.flush();
    expect(kept).toHaveLength(10_000);
    expect(kept[0]).toBe('4');
    expect(kept.at(-1)).toBe('last');
    expect(log.errors().at(-1)).toMatch(/lost 4 entries/);
    Logger.overrideLogger(false);
  });
});

describe.each<[string, () => Promise<AuditStore>]>([
  ['PostgreSQL', async () => new TypeOrmAuditStore(await database.connect({ audit: true }), storeOptions)],
  ['memory', async () => new MemoryAuditStore(() => Date.now())],
])('entries in %s', (_, create) => {
  const entry = (age: number) => ({
    id: codec.first(Date.now() - age).familyId,
    type: 'revoked' as const,
    sid: randomUUID(),
    subject: 'alice “quoted”',
    clientId: null,
    generation: null,
    detail: { reason: 'administrative' },
    age,
  });

  test('are kept once, however often they are written, and deleted by their age', async () => {
    const store = await create();
    const old = entry(2 * DAY * 1000);
    await store.append([old, entry(0)]);
    await store.append([old]);
    expect(await store.deleteOver(3 * DAY * 1000, null)).toEqual({ deleted: 0, next: null });
    expect(await store.deleteOver(DAY * 1000, null)).toEqual({ deleted: 1, next: null });
    expect(await store.deleteOver(DAY * 1000, null)).toEqual({ deleted: 0, next: null });
  });
});

test('the store in memory keeps a trail, too, and asks for no entity', async () => {
  const { Test } = await import('@nestjs/testing');
  const module = await Test.createTestingModule({
    imports: [AuthModule.forRoot({ ...settings, store: 'memory' })],
  }).compile();
  await module.init();
  await module.close();
});
