import { SharedReading } from '../libs/auth/src/storage/shared-reading.js';
import { SoleAttempts } from '../libs/auth/src/storage/sole-attempts.js';

/** Until everything that is ready to happen has happened. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

/** Work that ends when it is told to, and is counted. */
function scripted<T>() {
  const begun: { name: string; end: (value: T) => void; fail: (error: Error) => void }[] = [];
  const begin = (name: string) =>
    new Promise<T>((resolve, reject) => begun.push({ name, end: resolve, fail: reject }));
  return { begun, begin };
}

describe('a reading', () => {
  const reading = () => {
    const { begun, begin } = scripted<number>();
    const shared = new SharedReading<number>();
    return { begun, ask: (key = 'a') => shared.ask(key, () => begin(key)) };
  };

  test('is made at once for whoever comes first, and answers nobody who came later', async () => {
    const { begun, ask } = reading();
    const [first, second, third] = [ask(), ask(), ask()];
    expect(begun).toHaveLength(1);
    begun[0]!.end(1);
    expect(await first).toBe(1);
    await settled();
    expect(begun).toHaveLength(2);
    begun[1]!.end(2);
    expect(await Promise.all([second, third])).toEqual([2, 2]);
  });

  test('that follows is for those who came before it began, and no longer', async () => {
    const { begun, ask } = reading();
    const first = ask();
    const second = ask();
    begun[0]!.end(1);
    await first;
    await settled();
    const third = ask();
    begun[1]!.end(2);
    expect(await second).toBe(2);
    await settled();
    begun[2]!.end(3);
    expect(await third).toBe(3);
  });

  test('is never for two things', async () => {
    const { begun, ask } = reading();
    const answers = [ask('a'), ask('b'), ask('a'), ask('b')];
    expect(begun.map(({ name }) => name)).toEqual(['a', 'b']);
    begun.forEach(({ name, end }) => end(name === 'a' ? 1 : 2));
    await settled();
    begun.slice(2).forEach(({ name, end }) => end(name === 'a' ? 3 : 4));
    expect(await Promise.all(answers)).toEqual([1, 2, 3, 4]);
  });

  test('that fails fails for those who share it, and the next one begins anew', async () => {
    const { begun, ask } = reading();
    const answers = [ask(), ask(), ask()];
    begun[0]!.fail(new Error('first'));
    await settled();
    begun[1]!.fail(new Error('second'));
    const reasons = await Promise.allSettled(answers);
    expect(reasons.map((each) => each.status === 'rejected' && (each.reason as Error).message)).toEqual([
      'first',
      'second',
      'second',
    ]);
    await settled();
    const later = ask();
    begun[2]!.end(3);
    expect(await later).toBe(3);
  });
});

describe('of attempts at one change', () => {
  const attempts = () => {
    const { begun, begin } = scripted<string>();
    const all = new SoleAttempts('lost');
    return { begun, make: (key: string) => all.make(key, () => begin(key)) };
  };

  test('one is made at a time, and the others are lost', async () => {
    const { begun, make } = attempts();
    const answers = [make('a'), make('a'), make('a')];
    expect(begun).toHaveLength(1);
    begun[0]!.end('won');
    expect(await Promise.all(answers)).toEqual(['won', 'lost', 'lost']);
    const later = make('a');
    begun[1]!.end('won again');
    expect(await later).toBe('won again');
  });

  test('none waits for one at another change', () => {
    const { begun, make } = attempts();
    void make('a');
    void make('b');
    expect(begun.map(({ name }) => name)).toEqual(['a', 'b']);
  });

  test('one that fails fails for all who wait for it, and the next one begins anew', async () => {
    const { begun, make } = attempts();
    const answers = [make('a'), make('a'), make('a')];
    begun[0]!.fail(new Error('broken'));
    const outcomes = await Promise.allSettled(answers);
    expect(outcomes).toEqual(answers.map(() => ({ status: 'rejected', reason: new Error('broken') })));
    expect(begun).toHaveLength(1);
    const later = make('a');
    begun[1]!.end('won');
    expect(await later).toBe('won');
  });
});
