import { randomUUID } from 'node:crypto';
import { ThreeNodes } from './races/three-nodes.js';
import { me, refresh } from './support/http.js';

const PAST_LEEWAY = 60;

let nodes: ThreeNodes;

beforeAll(async () => {
  nodes = await ThreeNodes.start();
});

afterAll(() => nodes.close());

describe('One token presented 60 times on three nodes', () => {
  const PRESENTATIONS = 60;

  async function round(
    token: string,
    sid: string,
    present: (index: number) => Promise<string>,
  ): Promise<string> {
    const before = {
      ...(await nodes.rowOf(sid)),
      rotated: nodes.told('rotated', sid),
      retried: nodes.told('retried', sid),
    };
    const answers = await Promise.all(Array.from({ length: PRESENTATIONS }, (_, index) => present(index)));
    const successors = [...new Set(answers)];
    expect(successors).toHaveLength(1);
    expect(successors).not.toContain(token);
    expect(nodes.told('rotated', sid) - before.rotated).toBe(1);
    expect(nodes.told('retried', sid) - before.retried).toBe(PRESENTATIONS - 1);
    expect(await nodes.rowOf(sid)).toEqual({ generation: before.generation + 1, reason: null });
    await nodes.database.passTime(PAST_LEEWAY);
    return successors[0]!;
  }

  it('rotates once and gives one successor, in each of 100 rounds', async () => {
    const { refreshToken, sid } = await nodes.at(0).tokens.issue(randomUUID());
    let token = refreshToken;
    for (let count = 0; count < 100; count++) {
      const key = randomUUID();
      const current = token;
      token = await round(current, sid, async (index) => {
        const idempotencyKey = index % 2 === 0 ? key : undefined;
        return (await nodes.at(index).tokens.rotate(current, { idempotencyKey })).refreshToken;
      });
    }
    expect(nodes.told('reused', sid)).toBe(0);
  });

  it('rotates once over HTTP, in each of 10 rounds', async () => {
    const { refreshToken, sid } = await nodes.at(0).tokens.issue(randomUUID());
    let token = refreshToken;
    for (let count = 0; count < 10; count++) {
      const current = token;
      token = await round(current, sid, async (index) => {
        const answer = await refresh(nodes.at(index), current);
        expect(answer.status).toBe(200);
        return answer.body['refresh_token'] as string;
      });
    }
  });
});

describe('A refresh racing an end', () => {
  const ROUNDS = 300;

  it('outlives no logout: what it was given is refused on every node', async () => {
    let refreshed = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const { refreshToken, sid } = await nodes.at(round).tokens.issue('alice');
      const [pair, ended] = await nodes.race(
        round,
        () => nodes.rotate(round, refreshToken),
        () => nodes.at(round + 1).tokens.revoke(sid),
      );
      expect(ended).toBe(true);
      expect(await nodes.accepting(refreshToken)).toBe(0);
      expect(pair ? await nodes.accepting(pair.refreshToken) : 0).toBe(0);
      if (pair) refreshed++;
      expect(await nodes.rowOf(sid)).toEqual({ generation: pair ? 1 : 0, reason: 'logout' });
      expect(nodes.told('reused', sid)).toBe(0);
    }
    // Both orders did happen, or this would prove nothing.
    expect(refreshed).toBeGreaterThan(0);
    expect(refreshed).toBeLessThan(ROUNDS);
  });

  it('outlives no revoke-all: every family of the subject is over on every node', async () => {
    for (let round = 0; round < 100; round++) {
      const subject = randomUUID();
      const logins = await Promise.all(nodes.all.map(({ tokens }) => tokens.issue(subject)));
      const [pairs, count] = await nodes.race(
        round,
        () => Promise.all(logins.map(({ refreshToken }, index) => nodes.rotate(index, refreshToken))),
        () => nodes.at(round).tokens.revokeAll(subject),
      );
      expect(count).toBe(3);
      for (const pair of [...logins, ...pairs.filter((one) => one !== null)]) {
        expect(await nodes.accepting(pair.refreshToken)).toBe(0);
      }
    }
  });
});

describe('A login racing a revoke-all', () => {
  interface Ended {
    refused: number;
    earliest_survivor: number | null;
    revoked: number | null;
  }

  it('survives only when it was made after the revoke-all had its lock', async () => {
    let survivors = 0;
    for (let round = 0; round < 100; round++) {
      const subject = randomUUID();
      const before = await nodes.at(round).tokens.issue(subject);
      const [, count] = await nodes.race(
        round,
        () =>
          Promise.all([
            ...nodes.all.map(({ tokens }) => tokens.issue(subject)),
            nodes.source.transaction((manager) => nodes.at(round).tokens.issue(subject, { manager })),
          ]),
        () => nodes.at(round + 1).tokens.revokeAll(subject),
      );
      const after = await nodes.at(round + 2).tokens.issue(subject);
      const [row] = await nodes.database.query<Ended>(
        `select count(revoked_at)::int as refused, extract(epoch from max(revoked_at))::float8 as revoked,
                extract(epoch from min(issued_at) filter (where revoked_at is null))::float8 as earliest_survivor
         from refresh_token where subject = $1`,
        [subject],
      );
      expect(row!.refused).toBe(count);
      expect(row!.earliest_survivor).toBeGreaterThan(row!.revoked!);
      expect(await nodes.accepting(before.refreshToken)).toBe(0);
      expect(await nodes.accepting(after.refreshToken)).toBe(3);
      survivors += 5 - count;
    }
    // Both orders did happen, or this would prove nothing.
    expect(survivors).toBeGreaterThan(0);
    expect(survivors).toBeLessThan(400);
  });

  it('does not survive when its transaction commits while the revoke-all waits for it', async () => {
    for (let round = 0; round < 20; round++) {
      const subject = randomUUID();
      let revokeAll!: Promise<number>;
      const pair = await nodes.source.transaction(async (manager) => {
        const login = await nodes.at(round).tokens.issue(subject, { manager });
        revokeAll = nodes.at(round + 1).tokens.revokeAll(subject);
        await nodes.untilWaitingForLogin();
        return login;
      });
      expect(await revokeAll).toBe(1);
      expect(await nodes.accepting(pair.refreshToken)).toBe(0);
    }
  });

  it('leaves nothing when its transaction rolls back', async () => {
    const subject = randomUUID();
    let token = '';
    const rolledBack = nodes.source.transaction(async (manager) => {
      token = (await nodes.at(0).tokens.issue(subject, { manager })).refreshToken;
      throw new Error('the application changed its mind');
    });
    await expect(rolledBack).rejects.toThrow('changed its mind');
    expect(await nodes.at(1).tokens.revokeAll(subject)).toBe(0);
    expect(await nodes.accepting(token)).toBe(0);
  });
});

describe('A late replay racing a rotation of the current token', () => {
  it('leaves nothing alive, and is told once by all nodes together, in each of 300 rounds', async () => {
    const families = await Promise.all(
      Array.from({ length: 300 }, async (_, index) => {
        const first = await nodes.at(index).tokens.issue('alice');
        return { first, second: await nodes.at(index).tokens.rotate(first.refreshToken) };
      }),
    );
    await nodes.database.passTime(PAST_LEEWAY);
    let rotated = 0;
    for (const [round, { first, second }] of families.entries()) {
      const [replays, pair] = await nodes.race(
        round,
        () => Promise.all([1, 2].map((step) => nodes.rotate(round + step, first.refreshToken))),
        () => nodes.rotate(round, second.refreshToken),
      );
      expect(replays).toEqual([null, null]);
      expect((await nodes.rowOf(first.sid)).reason).toBe('reuse');
      for (const { refreshToken } of [first, second, pair ?? second])
        expect(await nodes.accepting(refreshToken)).toBe(0);
      expect(nodes.told('reused', first.sid)).toBe(1);
      expect(nodes.told('revoked', first.sid)).toBe(1);
      if (pair) rotated++;
    }
    expect(rotated).toBeGreaterThan(0);
    expect(rotated).toBeLessThan(300);
  });
});

describe('Two users who refresh in parallel', () => {
  it('never get the tokens of each other, in 600 refreshes on three nodes', async () => {
    const logins = await Promise.all(
      Array.from({ length: 200 }, async (_, index) => {
        const subject = index % 2 === 0 ? 'alice' : 'bob';
        const { refreshToken: token, sid } = await nodes.at(index).tokens.issue(subject);
        return { subject, index, sid, token };
      }),
    );
    for (let count = 0; count < 3; count++) {
      await Promise.all(
        logins.map(async (login) => {
          const node = nodes.at(login.index + count);
          const { status, body } = await refresh(node, login.token);
          expect({ status, sid: body['sid'] }).toEqual({ status: 200, sid: login.sid });
          const user = await me(node, body['access_token'] as string);
          expect(user.body).toMatchObject({ sub: login.subject, sid: login.sid });
          login.token = body['refresh_token'] as string;
        }),
      );
      await nodes.database.passTime(PAST_LEEWAY);
    }
    expect(new Set(logins.map(({ token }) => token)).size).toBe(200);
    for (const { sid } of logins) expect((await nodes.rowOf(sid)).generation).toBe(3);
  });
});
