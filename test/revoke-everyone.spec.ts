import { randomUUID } from 'node:crypto';
import { InvalidGrantError, TokenEvents, UnavailableError } from 'nestjs-token-family';
import { statementsFor } from '../libs/auth/src/storage/statements.js';
import { ThreeNodes } from './races/three-nodes.js';
import { me } from './support/http.js';
import { options, startNode, type TestNode } from './support/node.js';
import { lockFamily, seedFamilies } from './support/seed.js';

let nodes: ThreeNodes;
beforeAll(async () => {
  nodes = await ThreeNodes.start({
    clients: [{ id: 'phone' }],
    revocation: { pollInterval: 0.2 },
    database: { lockTimeout: 8, queryTimeout: 10 },
  });
});
afterAll(() => nodes.close());

let impatient: TestNode | undefined;
afterEach(async () => {
  await impatient?.close();
  impatient = undefined;
});
beforeEach(() => nodes.database.query('delete from refresh_token'));

async function reasonOf(sid: string): Promise<string | null> {
  return (await nodes.rowOf(sid)).reason;
}

/** Refreshes on and on. @returns what ended it */
async function untilRefused(index: number, refreshToken: string): Promise<unknown> {
  let token = refreshToken;
  try {
    for (;;) token = (await nodes.at(index).tokens.rotate(token)).refreshToken;
  } catch (error) {
    return error;
  }
}

describe('the end of everyone', () => {
  test('with a login right before it and one right after: the first is dead and the second alive, in each of 100 rounds', async () => {
    for (let round = 0; round < 100; round++) {
      const before = await nodes.at(round).tokens.issue(randomUUID());
      expect(await nodes.at(round + 1).tokens.revokeEveryone()).toBe(round === 0 ? 1 : 2);
      const after = await nodes.at(round + 2).tokens.issue(randomUUID());
      expect([await reasonOf(before.sid), await reasonOf(after.sid)]).toEqual(['administrative', null]);
    }
  });

  test('is told once for each session, and every node refuses its access tokens', async () => {
    const pairs = await Promise.all(
      Array.from({ length: 30 }, (_, index) => nodes.at(index).tokens.issue(randomUUID())),
    );
    expect(await nodes.at(0).tokens.revokeEveryone({ reason: 'reuse' })).toBe(30);
    for (const { sid } of pairs) {
      expect(nodes.told('revoked', sid)).toBe(1);
      expect(await reasonOf(sid)).toBe('reuse');
    }
    for (const node of nodes.all) {
      const deadline = performance.now() + 5_000;
      while ((await me(node, pairs[29]!.accessToken)).status === 200) {
        expect(performance.now()).toBeLessThan(deadline);
      }
    }
  });

  test('reaches a login that was under way, though it got its time later', async () => {
    for (let round = 0; round < 10; round++) {
      const subject = randomUUID();
      const holder = nodes.source.createQueryRunner();
      await holder.startTransaction();
      await holder.query('select pg_advisory_xact_lock(29798, hashtext($1))', [subject]);
      const login = nodes.at(round).tokens.issue(subject);
      await nodes.untilWaitingForLogin();
      const end = nodes.at(round + 1).tokens.revokeEveryone();
      await nodes.untilWaitingForLogin(2);
      await holder.commitTransaction();
      await holder.release();
      expect(await end).toBe(1);
      expect(await reasonOf((await login).sid)).toBe('administrative');
    }
  });

  test("reaches a login in the application's transaction that commits while it waits", async () => {
    for (let round = 0; round < 10; round++) {
      let end!: Promise<number>;
      const pair = await nodes.source.transaction(async (manager) => {
        const login = await nodes.at(round).tokens.issue(randomUUID(), { manager });
        end = nodes.at(round + 1).tokens.revokeEveryone();
        await nodes.untilWaitingForLogin();
        return login;
      });
      expect(await end).toBe(1);
      expect(await nodes.accepting(pair.refreshToken)).toBe(0);
    }
  });

  test("ends all others while a transaction of the application's holds a login too long, is unavailable then, lets others log in at once, and can be repeated", async () => {
    impatient = await startNode({
      url: nodes.database.url,
      options: options({ database: { lockTimeout: 2.4 } }),
    });
    const { tokens } = impatient;
    const early = await nodes.at(0).tokens.issue(randomUUID());
    let meanwhile!: { sid: string };
    let waited!: number;
    const held = await nodes.source.transaction(async (manager) => {
      const login = await nodes.at(0).tokens.issue(randomUUID(), { manager });
      const refused = tokens.revokeEveryone().catch((error: unknown) => error);
      await nodes.untilWaitingForLogin();
      const begun = performance.now();
      meanwhile = await nodes.at(2).tokens.issue(randomUUID());
      waited = performance.now() - begun;
      expect(await refused).toBeInstanceOf(UnavailableError);
      return login;
    });
    expect(waited).toBeLessThan(400);
    expect(await reasonOf(early.sid)).toBe('administrative');
    expect(await reasonOf(held.sid)).toBeNull();
    const left = (await reasonOf(meanwhile.sid)) === null ? 2 : 1;
    expect(await tokens.revokeEveryone()).toBe(left);
  });

  test('is the same lock on nodes that spell the table with its schema and without', async () => {
    const [plain, qualified] = ['"refresh_token"', '"public"."refresh_token"'].map(
      (table) => /'"[^']+'::regclass::oid::integer/.exec(statementsFor(table).lockEveryone.text)![0],
    );
    expect(plain).not.toBe(qualified);
    expect(await nodes.database.query(`select ${plain} = ${qualified} as same`)).toEqual([{ same: true }]);
  });

  test('a reason there is not is a mistake of the caller, and ends nothing', async () => {
    const { tokens } = nodes.at(0);
    const { sid, subject } = await tokens.issue(randomUUID());
    const reason = 'because' as 'logout';
    const calls = [
      () => tokens.revoke(sid, { reason }),
      () => tokens.revokeAll(subject, { reason }),
      () => tokens.revokeClient('default', { reason }),
      () => tokens.revokeEveryone({ reason }),
    ];
    for (const call of calls) await expect(call()).rejects.toThrow(TypeError);
    expect(await reasonOf(sid)).toBeNull();
  });

  test('leaves a login alone that begins while it is still ending others, in the same second', async () => {
    await seedFamilies(nodes.database, 12_000);
    // It comes back to this row in the end, so that the login comes in time.
    const release = await lockFamily(nodes.source, 11_000);
    const begun = new Promise<void>((resolve) =>
      nodes
        .at(0)
        .get(TokenEvents)
        .on('revoked', () => resolve()),
    );
    const end = nodes.at(0).tokens.revokeEveryone();
    await begun;
    const { sid } = await nodes.at(1).tokens.issue(randomUUID());
    await release();
    expect(await end).toBe(12_000);
    expect(await reasonOf(sid)).toBeNull();
  });

  test('beside logins on three nodes ends those before it and none after it, in each of 60 rounds', async () => {
    let survivors = 0;
    let ended = 0;
    for (let round = 0; round < 60; round++) {
      await nodes.database.query('delete from refresh_token');
      const before = await nodes.at(round).tokens.issue(randomUUID());
      const [logins, count] = await nodes.race(
        round,
        () => Promise.all(nodes.all.map(({ tokens }) => tokens.issue(randomUUID()))),
        () => nodes.at(round + 1).tokens.revokeEveryone(),
      );
      const after = await nodes.at(round + 2).tokens.issue(randomUUID());
      const [row] = await nodes.database.query<{ dead: number; in_order: boolean }>(
        `select count(revoked_at)::int as dead,
                max(issued_at) filter (where revoked_at is not null)
                  < min(issued_at) filter (where revoked_at is null) as in_order
         from refresh_token`,
      );
      expect(row).toEqual({ dead: count, in_order: true });
      expect(await reasonOf(before.sid)).toBe('administrative');
      expect(await nodes.accepting(after.refreshToken)).toBe(3);
      ended += count - 1;
      survivors += logins.length + 1 - count;
    }
    // Both orders did happen, or this would prove nothing.
    expect(survivors).toBeGreaterThan(0);
    expect(ended).toBeGreaterThan(0);
  });

  test('beside refreshes, other ends and itself on another node leaves nothing alive, and nobody in a deadlock', async () => {
    const deadlocks = async () => {
      const [row] = await nodes.database.query<{ deadlocks: number }>(
        'select deadlocks::int as deadlocks from pg_stat_database where datname = current_database()',
      );
      return row!.deadlocks;
    };
    for (let round = 0; round < 3; round++) {
      await nodes.database.query('delete from refresh_token');
      await seedFamilies(nodes.database, 7_000, {
        subject: `'subject ' || n % 20`,
        clientId: `'client ' || n % 2`,
      });
      const logins = await Promise.all(
        Array.from({ length: 60 }, (_, index) => nodes.at(index).tokens.issue(`subject ${index % 20}`)),
      );
      const refreshing = logins.map(({ refreshToken }, index) => untilRefused(index, refreshToken));
      const counts = await Promise.all([
        nodes.at(0).tokens.revokeEveryone(),
        nodes.at(1).tokens.revokeClient('client 1'),
        nodes.at(2).tokens.revokeEveryone(),
        ...Array.from({ length: 10 }, (_, index) => nodes.at(index).tokens.revokeAll(`subject ${index}`)),
      ]);
      for (const refusal of await Promise.all(refreshing)) expect(refusal).toBeInstanceOf(InvalidGrantError);
      expect(counts.reduce((sum, count) => sum + count, 0)).toBe(7_060);
    }
    expect(await nodes.database.query('select from refresh_token where revoked_at is null')).toEqual([]);
    expect(await deadlocks()).toBe(0);
  });
});

describe('the end of a client', () => {
  test('ends the sessions of all its subjects, and of no other client', async () => {
    const web = await nodes.at(0).tokens.issue(randomUUID());
    const phones = await Promise.all(
      [0, 1].map((index) => nodes.at(index).tokens.issue(randomUUID(), { clientId: 'phone' })),
    );
    expect(await nodes.at(2).tokens.revokeClient('phone')).toBe(2);
    for (const { sid } of phones) expect(await reasonOf(sid)).toBe('administrative');
    expect(await nodes.accepting(web.refreshToken)).toBe(3);
  });

  test('wants a client: an empty name ends nothing', async () => {
    const { sid } = await nodes.at(0).tokens.issue(randomUUID());
    await expect(nodes.at(0).tokens.revokeClient('')).rejects.toThrow(TypeError);
    expect(await reasonOf(sid)).toBeNull();
  });
});

describe('a changed password', () => {
  test('ends every session of the subject but the one it was changed in', async () => {
    const subject = randomUUID();
    const [current, other] = [
      await nodes.at(0).tokens.issue(subject),
      await nodes.at(1).tokens.issue(subject),
    ];
    const stranger = await nodes.at(2).tokens.issue(randomUUID());
    expect(await nodes.at(0).tokens.passwordChanged(subject, { except: current.sid })).toBe(1);
    expect(await reasonOf(other.sid)).toBe('password_change');
    expect(await nodes.accepting(current.refreshToken)).toBe(3);
    expect(await nodes.accepting(stranger.refreshToken)).toBe(3);
    expect(await nodes.at(0).tokens.passwordChanged(subject)).toBe(1);
    expect(await reasonOf(current.sid)).toBe('password_change');
  });
});
