import { UnavailableError } from 'nestjs-token-family';
import {
  RotationBatcher,
  type BatchResult,
  type RotationStatements,
} from '../libs/auth/src/storage/rotation-batcher.js';
import type { Rotation } from '../libs/auth/src/core/ports.js';
import { createDatabase, type TestDatabase } from './support/database.js';
import { options, startNode, type TestNode } from './support/node.js';

const rotation = (name: string): Rotation => ({ clientId: name }) as Rotation;
const granted = (name: string) => ({ subject: name }) as Exclude<BatchResult, 'locked' | null>;

/**
 * Statements that answer when they are told to, and remember what they were asked.
 *
 * @param patience longer than any run by default: what a test leaves unanswered must not fail another one
 */
function scripted({ patience = 2 ** 31 - 1 } = {}) {
  const sent: { names: string[]; answer: (results?: BatchResult[]) => void; fail: (error: Error) => void }[] =
    [];
  const send = (rotations: readonly Rotation[]): Promise<BatchResult[]> => {
    const names = rotations.map(({ clientId }) => clientId);
    return new Promise((resolve, reject) => {
      sent.push({ names, answer: (results = names.map(granted)) => resolve(results), fail: reject });
    });
  };
  const statements: RotationStatements = {
    one: async (alone) => (await send([alone]))[0] as ReturnType<typeof granted>,
    many: send,
  };
  const batcher = new RotationBatcher(statements, patience);
  return {
    rotate: (name: string) => batcher.rotate(rotation(name)),
    sent,
    names: () => sent.map(({ names }) => names.join('')),
  };
}

/** Until everything that is ready to happen has happened. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

describe('rotations', () => {
  test('that come alone go alone, at once', () => {
    const { rotate, names } = scripted();
    void rotate('a');
    expect(names()).toEqual(['a']);
  });

  test('that arrive while others are under way share a statement, and each gets its own result', async () => {
    const { rotate, names, sent } = scripted();
    const results = ['a', 'b', 'c', 'd'].map(rotate);
    await settled();
    expect(names()).toEqual(['a', 'bcd']);
    sent[1]!.answer([granted('b'), null, granted('d')]);
    sent[0]!.answer();
    expect(await Promise.all(results)).toEqual([granted('a'), granted('b'), null, granted('d')]);
  });

  test('that are passed over as locked go alone, and hold up nobody', async () => {
    const { rotate, names, sent } = scripted();
    const [, b, c] = ['a', 'b', 'c'].map(rotate);
    await settled();
    sent[1]!.answer(['locked', granted('c')]);
    expect(await c).toEqual(granted('c'));
    expect(names()).toEqual(['a', 'bc', 'b']);
    sent[2]!.answer();
    expect(await b).toEqual(granted('b'));
  });

  test('that wait for a lock alone do not keep batches from going', async () => {
    const { rotate, names } = scripted();
    for (const name of ['a', 'b', 'c', 'd', 'e']) {
      void rotate(name);
      await settled();
    }
    expect(names()).toEqual(['a', 'b', 'c', 'd']);
  });

  test('are answered in time, the wait for a place included, though their statement is still under way', async () => {
    const { rotate, names } = scripted({ patience: 50 });
    const results = ['a', 'b'].map((name) => rotate(name).catch((error: unknown) => error));
    await settled();
    expect(names()).toEqual(['a', 'b']);
    expect(await Promise.all(results)).toEqual([expect.any(UnavailableError), expect.any(UnavailableError)]);
  });

  test('that found no place go when one is free, as many as there are', async () => {
    const { rotate, names, sent } = scripted();
    for (const name of ['a', 'b', 'c', 'd']) {
      void rotate(name);
      await settled();
    }
    for (const name of ['e', 'f', 'g']) void rotate(name);
    await settled();
    expect(sent).toHaveLength(4);
    sent[3]!.answer();
    await settled();
    expect(names().slice(4)).toEqual(['efg']);
  });

  test('share 64 to a statement, no more', async () => {
    const { rotate, sent } = scripted();
    for (let n = 0; n < 100; n++) void rotate('x');
    await settled();
    expect(sent.map(({ names }) => names.length)).toEqual([1, 64]);
    sent[1]!.answer();
    await settled();
    expect(sent.map(({ names }) => names.length)).toEqual([1, 64, 35]);
  });

  test('of a statement that fails all fail, and the next ones go', async () => {
    const { rotate, sent } = scripted();
    const [a, b, c] = ['a', 'b', 'c'].map(rotate);
    await settled();
    sent[1]!.fail(new Error('down'));
    await expect(b).rejects.toThrow('down');
    await expect(c).rejects.toThrow('down');
    sent[0]!.answer();
    await a;
    const d = rotate('d');
    sent[2]!.answer();
    expect(await d).toEqual(granted('d'));
  });
});

describe('on PostgreSQL', () => {
  let database: TestDatabase;
  let node: TestNode;
  beforeAll(async () => {
    database = await createDatabase();
    node = await startNode({
      url: database.url,
      options: options({ database: { lockTimeout: 20, queryTimeout: 25 } }),
    });
  });
  afterAll(async () => {
    await node.close();
    await database.drop();
  });

  test('a locked row holds up its own rotation, and no other', async () => {
    const logins = await Promise.all(Array.from({ length: 40 }, (_, n) => node.tokens.issue(`user-${n}`)));
    const locker = await database.connect({ poolSize: 1 });
    const locked = logins[20]!;
    let waiting!: Promise<{ sid: string }>;
    await locker.transaction(async (manager) => {
      await manager.query('select from refresh_token where family_id = $1 for update', [locked.sid]);
      const rotations = logins.map(({ refreshToken }) => node.tokens.rotate(refreshToken));
      waiting = rotations[20]!;
      const others = await Promise.all(rotations.filter((_, index) => index !== 20));
      expect(others.map(({ sid }) => sid)).toEqual(
        logins.filter(({ sid }) => sid !== locked.sid).map(({ sid }) => sid),
      );
      const { count } = (
        await database.query<{ count: number }>(
          'select count(*)::int as count from refresh_token where generation = 1',
        )
      )[0]!;
      expect(count).toBe(39);
    });
    expect((await waiting).sid).toBe(locked.sid);
  });

  test('a statement that times out leaves no backend behind, whatever it waits for', async () => {
    const hasty = await startNode({
      url: database.url,
      poolSize: 3,
      options: options({
        database: { lockTimeout: 0.1, queryTimeout: 0.2 },
        revocation: { pollInterval: 60, maxStaleness: 600 },
      }),
    });
    const { refreshToken } = await hasty.tokens.issue('alice');
    const backends = async (): Promise<number> => {
      const [row] = await database.query<{ count: number }>(
        `select count(*)::int as count from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`,
      );
      return row!.count;
    };
    const locker = await database.connect({ poolSize: 1 });
    await locker.transaction(async (manager) => {
      await manager.query('lock table refresh_token in access exclusive mode');
      for (let round = 0; round < 5; round++) {
        const answers = await Promise.allSettled([1, 2, 3].map(() => hasty.tokens.rotate(refreshToken)));
        expect(answers.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
        expect(await backends()).toBeLessThanOrEqual(3);
      }
    });
    expect((await hasty.tokens.rotate(refreshToken)).refreshToken).not.toBe(refreshToken);
    await hasty.close();
  });
});
