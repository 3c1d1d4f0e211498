import { InvalidGrantError, InvalidRequestError, UnavailableError } from 'nestjs-token-family';
import { refusingEvenly } from '../libs/auth/src/http/even-refusals.js';
import { createDatabase, type TestDatabase } from './support/database.js';
import { refresh, send } from './support/http.js';
import { startNode, type TestNode } from './support/node.js';

const refusal = () => new InvalidGrantError('ERR_REFRESH_TOKEN_REVOKED');

describe('on a clock of its own', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  /** What `work` has come to so many milliseconds after it began; null while it has come to nothing. */
  async function after(milliseconds: number, work: () => Promise<unknown>): Promise<unknown> {
    let outcome: unknown = null;
    refusingEvenly(work).then(
      (value) => (outcome = value),
      (error: unknown) => (outcome = error),
    );
    await jest.advanceTimersByTimeAsync(milliseconds);
    return outcome;
  }
  const in2ms = async () => new Promise((resolve) => void setTimeout(resolve, 2));

  test('a refusal found at once, and one that took a while, come between the same moments', async () => {
    for (const wait of [async () => {}, in2ms]) {
      const work = async () => {
        await wait();
        throw refusal();
      };
      for (let round = 0; round < 50; round++) {
        expect(await after(9, work)).toBeNull();
        expect(await after(20, work)).toEqual(refusal());
      }
      const come: unknown[] = [];
      for (let each = 0; each < 100; each++) refusingEvenly(work).catch((error: unknown) => come.push(error));
      await jest.advanceTimersByTimeAsync(15);
      // Neither none of them nor all, but once in 10^26 times.
      expect(come.length).toBeGreaterThan(0);
      expect(come.length).toBeLessThan(100);
      await jest.advanceTimersByTimeAsync(5);
      expect(come).toHaveLength(100);
    }
  });

  test('a refusal that took longer comes at once', async () => {
    const late = async () => {
      await new Promise((resolve) => void setTimeout(resolve, 25));
      throw refusal();
    };
    expect(await after(24, late)).toBeNull();
    expect(await after(25, late)).toEqual(refusal());
  });

  test.each([
    ['an answer', async () => 'a pair'],
    ['an outage', () => Promise.reject(new UnavailableError('ERR_STORE_UNAVAILABLE'))],
    ['a malformed request', () => Promise.reject(new InvalidRequestError('ERR_TOKEN_MISSING', 'missing'))],
  ])('%s is not held back, and leaves no timer', async (_, work) => {
    expect(await after(0, work)).not.toBeNull();
    expect(jest.getTimerCount()).toBe(0);
  });
});

describe('over HTTP', () => {
  let database: TestDatabase;
  let node: TestNode;
  beforeAll(async () => {
    database = await createDatabase();
    node = await startNode({ url: database.url });
  });
  afterAll(async () => {
    await node.close();
    await database.drop();
  });

  test.each<[string, () => Promise<{ status: number }>]>([
    ['/auth/refresh', () => refresh(node, 'rt1_none')],
    [
      '/oauth/token',
      () => send(`${node.url}/oauth/token`, { form: { grant_type: 'refresh_token', refresh_token: 'x' } }),
    ],
  ])('%s refuses no token before its time', async (_, ask) => {
    for (let round = 0; round < 20; round++) {
      const began = performance.now();
      expect((await ask()).status).toBe(400);
      // A timer may be early by what its clock leaves off a millisecond.
      expect(performance.now() - began).toBeGreaterThan(8.9);
    }
  });
});
