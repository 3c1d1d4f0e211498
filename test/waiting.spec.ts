import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DataSource } from 'typeorm';
import { UnavailableError, type Claims, type ClaimsProvider, type TokenPair } from 'nestjs-token-family';
import { summary, UNAVAILABLE } from './faults/honest-client.js';
import { createDatabase, type TestDatabase } from './support/database.js';
import { refresh, send, type Answer } from './support/http.js';
import { options, startNode, type TestNode } from './support/node.js';

/** Seconds; milliseconds. */
const LEEWAY = 0.3;
const LONGER_THAN_LEEWAY = 400;
const HOURS = 3600;
const QUERY_TIMEOUT = 0.5;
const POOL_SIZE = 4;
const NAME = 'waiting_node';

interface Row {
  generation: number;
  reason: string | null;
}

let database: TestDatabase;
let source: DataSource;
let claims: ClaimsProvider;
let withClaims: TestNode;
let plain: TestNode;
let impatient: TestNode;

beforeAll(async () => {
  database = await createDatabase();
  source = await database.connect();
  const url = `${database.url}?application_name=${NAME}`;
  const { refreshToken } = options();
  const base = { refreshToken: { ...refreshToken, leeway: LEEWAY } };
  withClaims = await startNode({
    url,
    poolSize: POOL_SIZE,
    options: options({
      ...base,
      accessToken: { ...options().accessToken, claimsTimeout: '1s' },
      claims: (request) => claims(request),
    }),
  });
  plain = await startNode({ url, poolSize: POOL_SIZE, options: options(base) });
  const timeouts = { lockTimeout: 0.2, queryTimeout: QUERY_TIMEOUT };
  impatient = await startNode({
    url,
    poolSize: POOL_SIZE,
    options: options({ ...base, database: timeouts }),
  });
});

beforeEach(() => {
  claims = () => ({ role: 'member' });
});

afterAll(async () => {
  for (const node of [withClaims, plain, impatient]) await node.close();
  await database.drop();
});

async function rowOf(sid: string): Promise<Row> {
  const sql = 'select generation, revocation_reason as reason from refresh_token where family_id = $1';
  return (await database.query<Row>(sql, [sid]))[0]!;
}

async function until(condition: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await condition())) await sleep(5);
}

/** True when `count` backends of our nodes wait for a lock. */
const waitingForLock = (count: number) => async (): Promise<boolean> => {
  const sql = `select 1 from pg_stat_activity where application_name = $1 and wait_event_type = 'Lock'`;
  return (await database.query(sql, [NAME])).length === count;
};

describe('A claims provider', () => {
  const failures: [string, ClaimsProvider][] = [
    ['throws', () => Promise.reject(new Error('the directory is down'))],
    ['hangs', () => new Promise<Claims>(() => {})],
    ['answers no object', () => 'member' as unknown as Claims],
  ];

  it.each(failures)('that %s costs a 503 and nothing else', async (_, failing) => {
    const { refreshToken, sid } = await withClaims.tokens.issue('alice');
    claims = failing;
    const cookie = { 'x-token-carrier': 'cookie', cookie: `__Host-refresh_token=${refreshToken}` };
    const answers = await Promise.all([
      refresh(withClaims, refreshToken),
      refresh(withClaims, refreshToken, { 'idempotency-key': randomUUID() }),
      send(`${withClaims.url}/auth/refresh`, { method: 'POST', headers: cookie }),
    ]);
    expect(answers.map(summary)).toEqual([UNAVAILABLE, UNAVAILABLE, UNAVAILABLE]);
    expect(await rowOf(sid)).toEqual({ generation: 0, reason: null });
    claims = () => ({});
    expect((await refresh(withClaims, refreshToken)).status).toBe(200);
    expect(await rowOf(sid)).toEqual({ generation: 1, reason: null });
  });

  it('that answers null ends the family', async () => {
    const { refreshToken, sid } = await withClaims.tokens.issue('alice');
    claims = () => null;
    const refused = await refresh(withClaims, refreshToken);
    expect({ status: refused.status, error: refused.body['error'] }).toEqual({
      status: 400,
      error: 'invalid_grant',
    });
    expect(await rowOf(sid)).toEqual({ generation: 0, reason: 'subject_refused' });
    claims = () => ({});
    expect((await refresh(withClaims, refreshToken)).status).toBe(400);
  });
});

/** What came of several presentations of the first token of a family. */
async function outcomeOf({ refreshToken, sid }: TokenPair, answers: readonly Answer[]) {
  const successors = new Set(answers.map(({ body }) => body['refresh_token']));
  const failures = answers.filter(({ status }) => status !== 200).length;
  return {
    failures,
    successors: successors.size,
    repeated: successors.has(refreshToken),
    ...(await rowOf(sid)),
  };
}

/** Two, because one node may let its own rotations wait for each other. */
function presentOnTwoNodes({ refreshToken }: TokenPair): Promise<Answer[]> {
  return Promise.all([plain, withClaims].map((node) => refresh(node, refreshToken)));
}

const ONE_ROTATION = { failures: 0, successors: 1, repeated: false, generation: 1, reason: null };

describe('A request that waited in our own node longer than the leeway is still a retry', () => {
  it('while one that arrives that late, without a key, is theft', async () => {
    const { refreshToken, sid } = await plain.tokens.issue('alice');
    expect((await refresh(plain, refreshToken)).status).toBe(200);
    await database.passTime(LONGER_THAN_LEEWAY / 1000);
    expect((await refresh(plain, refreshToken)).status).toBe(400);
    expect((await rowOf(sid)).reason).toBe('reuse');
  });

  it('when its claims provider was slow', async () => {
    const pair = await withClaims.tokens.issue('alice');
    const gates: (() => void)[] = [];
    claims = () => new Promise((resolve) => gates.push(() => resolve({})));
    const [first, second] = [refresh(withClaims, pair.refreshToken), refresh(withClaims, pair.refreshToken)];
    await until(() => gates.length === 2);
    gates[0]!();
    const winner = await Promise.race([first, second]);
    expect(winner.status).toBe(200);
    await sleep(LONGER_THAN_LEEWAY);
    gates[1]!();
    expect(await outcomeOf(pair, await Promise.all([first, second]))).toEqual(ONE_ROTATION);
  });

  it('when another transaction held the row', async () => {
    const pair = await plain.tokens.issue('alice');
    let requests!: Promise<Answer[]>;
    await source.transaction(async (manager) => {
      await manager.query('select 1 from refresh_token where family_id = $1 for update', [pair.sid]);
      requests = presentOnTwoNodes(pair);
      await until(waitingForLock(2));
      await sleep(LONGER_THAN_LEEWAY);
    });
    expect(await outcomeOf(pair, await requests)).toEqual(ONE_ROTATION);
  });
});

describe('A request that became a grandparent while it waited in our own node', () => {
  it('is not judged, but answered 503; judged afresh, it is theft', async () => {
    const first = await plain.tokens.issue('alice');
    const second = await plain.tokens.rotate(first.refreshToken);
    await database.passTime(60);
    const third = await plain.tokens.rotate(second.refreshToken);
    const receivedAt = performance.now() - 1000;
    await expect(plain.tokens.rotate(first.refreshToken, { receivedAt })).rejects.toThrow(UnavailableError);
    expect(await rowOf(first.sid)).toEqual({ generation: 2, reason: null });
    await database.passTime(60);
    await plain.tokens.rotate(third.refreshToken);
    await expect(plain.tokens.rotate(first.refreshToken)).rejects.toThrow(/invalid, expired or revoked/);
    expect(await rowOf(first.sid)).toEqual({ generation: 3, reason: 'reuse' });
  });
});

describe('A rotation whose commit stalls', () => {
  const GATE = 4711;

  beforeAll(async () => {
    await database.query(`
      create function stall() returns trigger language plpgsql as
      $$ begin
           perform set_config('lock_timeout', '0', true);
           loop
             begin
               perform pg_advisory_xact_lock_shared(${GATE});
               return null;
             exception when query_canceled then
               -- A commit that waits for its disk cannot be cancelled either.
             end;
           end loop;
         end $$`);
    await database.query(`
      create constraint trigger stall after update on refresh_token deferrable initially deferred
      for each row when (new.generation = 1 and old.generation = 0) execute function stall()`);
  });

  afterAll(() => database.query('drop function stall cascade'));

  /** Runs `work` while no rotation can commit. */
  async function stalled(work: () => Promise<void>): Promise<void> {
    await source.transaction(async (manager) => {
      await manager.query(`select pg_advisory_xact_lock(${GATE})`);
      await work();
    });
  }

  it('gives one successor to all who waited, longer than the leeway', async () => {
    const pair = await plain.tokens.issue('alice');
    let requests!: Promise<Answer[]>;
    await stalled(async () => {
      requests = presentOnTwoNodes(pair);
      await until(waitingForLock(2));
      await sleep(LONGER_THAN_LEEWAY);
    });
    expect(await outcomeOf(pair, await requests)).toEqual(ONE_ROTATION);
  });

  it('is answered by 503 within the query timeout, however many requests come together', async () => {
    const logins: TokenPair[] = [];
    while (logins.length < 600) logins.push(await plain.tokens.issue('alice'));
    await stalled(async () => {
      const start = performance.now();
      const answers = await Promise.all(
        logins.map(({ refreshToken }) =>
          impatient.tokens.rotate(refreshToken).catch((error: unknown) => error),
        ),
      );
      expect(answers.filter((answer) => answer instanceof UnavailableError)).toHaveLength(600);
      expect(performance.now() - start).toBeLessThan(3 * QUERY_TIMEOUT * 1000);
    });
  });

  it('is repeated hours later with its key, when its answer was lost', async () => {
    const pair = await impatient.tokens.issue('alice');
    const headers = { 'idempotency-key': randomUUID() };
    await stalled(async () => {
      expect(summary(await refresh(impatient, pair.refreshToken, headers))).toEqual(UNAVAILABLE);
      expect(await rowOf(pair.sid)).toEqual({ generation: 0, reason: null });
    });
    await until(async () => (await rowOf(pair.sid)).generation === 1);
    await database.passTime(8 * HOURS);
    const answers = [
      await refresh(plain, pair.refreshToken, headers),
      await refresh(impatient, pair.refreshToken, headers),
    ];
    expect(await outcomeOf(pair, answers)).toEqual(ONE_ROTATION);
  });
});

describe('All this waiting', () => {
  it('leaves no connection waiting or in a transaction', async () => {
    const sql = `select count(*)::int as open, count(*) filter (where state <> 'idle')::int as busy
                 from pg_stat_activity where application_name = $1`;
    const [row] = await database.query<{ open: number; busy: number }>(sql, [NAME]);
    expect(row!.open).toBeLessThanOrEqual(3 * POOL_SIZE);
    expect(row!.busy).toBe(0);
  });
});
