import { mkdir, readdir, readFile, stat, unlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DirectoryLock } from '../../libs/client/src/file/directory-lock.js';
import { fileStorage } from 'token-family-client/file';
import type { Order } from './file-storage.program.js';
import { soon } from '../support/wire.js';
import { useFilePlace } from './file-place.js';
import type { Program, Run } from './programs.js';

const LONG = 120_000;
/** The name of a process of another host. */
const ELSEWHERE = `1-${'0'.repeat(16)}-${'0'.repeat(32)}`;

let directory: string;
let path: string;
let program: Program;

const place = useFilePlace();
beforeEach(() => ({ directory, path, program } = place));

const lock = <T>(task: () => Promise<T>, timeout = LONG): Promise<T> => fileStorage(path).lock(task, timeout);

async function holder(): Promise<Run> {
  const run = program.start({ what: 'hold', path, timeout: LONG } satisfies Order);
  await run.began();
  return run;
}

/** Knows how many were ever in it at once. */
class Room {
  most = 0;
  #inside = 0;

  readonly visit = async (): Promise<void> => {
    this.most = Math.max(this.most, ++this.#inside);
    await sleep(2);
    this.#inside--;
  };
}

test.each([
  ['8 processes that add 50 each add 400', false],
  ['and so they do when each dies in the lock every time, and the others race to take it over', true],
])(
  '%s',
  async (_, dying) => {
    const number = join(directory, 'number');
    await writeFile(number, '0');
    const order: Order = { what: 'count', path, number, times: 50, dying };
    await Promise.all(Array.from({ length: 8 }, () => program.start(order).ended()));
    expect(await readFile(number, 'utf8')).toBe('400');
  },
  150_000,
);

test('storages of one process exclude each other, too', async () => {
  const room = new Room();
  await Promise.all(Array.from({ length: 20 }, () => lock(room.visit)));
  expect(room.most).toBe(1);
});

test('what a task resolves to, or throws, comes back, and the lock is free again', async () => {
  expect(await lock(async () => 'done')).toBe('done');
  await expect(lock(() => Promise.reject(new Error('failed')))).rejects.toThrow('failed');
  expect(await readdir(directory)).toEqual([]);
  expect(await lock(async () => 'done', 0)).toBe('done');
});

test('a holder that lives keeps the lock, and after the time-out the task runs all the same', async () => {
  const other = await holder();
  const [before] = await readdir(`${path}.lock`);
  expect(await lock(async () => readdir(`${path}.lock`), 300)).toEqual([before]);
  expect(await readdir(directory)).toEqual(['session.lock']);
  other.send({});
  await other.ended();
  expect(await readdir(directory)).toEqual([]);
});

test('of a holder that was killed the waiting take over, one at a time', async () => {
  for (let round = 0; round < 5; round++) {
    const other = await holder();
    const room = new Room();
    // Who is dead is known at once: without beats one would wait for longer than this.
    const waiting = Array.from({ length: 12 }, () => lock(room.visit, 4_500));
    await other.kill();
    await Promise.all(waiting);
    expect(room.most).toBe(1);
    expect(await readdir(directory)).toEqual([]);
  }
}, 120_000);

describe('a holder elsewhere, of whom only the beats tell', () => {
  const signs = { beat: 20, stale: 3_000, watched: 300 };
  const storage = () => new DirectoryLock(`${path}.lock`, signs);
  const claim = async (age: number): Promise<string> => {
    await mkdir(`${path}.lock`);
    const file = join(`${path}.lock`, ELSEWHERE);
    await writeFile(file, '');
    const then = new Date(Date.now() - age);
    await utimes(file, then, then);
    return file;
  };

  test.each([
    ['its last beat is long ago', 60_000],
    ['the clock it beats by is ahead', -3_600_000],
  ])('loses the lock when it is still and %s', async (_, age) => {
    await claim(age);
    const room = new Room();
    await Promise.all(Array.from({ length: 12 }, () => storage().run(room.visit, LONG)));
    expect(room.most).toBe(1);
    expect(await readdir(directory)).toEqual([]);
  });

  test('keeps it as long as it beats, though its clock is behind', async () => {
    const file = await claim(60_000);
    let beats = 60_000;
    const beating = setInterval(() => {
      const then = new Date(Date.now() - --beats);
      void utimes(file, then, then);
    }, 10);
    // Long enough that a busy machine is not taken for death.
    const patient = new DirectoryLock(`${path}.lock`, { ...signs, watched: 2_000 });
    expect(await patient.run(() => readdir(`${path}.lock`), 2_500)).toEqual([ELSEWHERE]);
    clearInterval(beating);
  });

  test('is seen to beat while it is at work', async () => {
    await storage().run(async () => {
      const [name] = await readdir(`${path}.lock`);
      const lastBeat = async () => (await stat(join(`${path}.lock`, name!))).mtimeMs;
      const first = await lastBeat();
      expect(await soon(async () => (await lastBeat()) > first)).toBe(true);
    }, LONG);
  });
});

test('who has lost the lock while it was at work leaves that of the next alone', async () => {
  let next: Run;
  await lock(async () => {
    const [name] = await readdir(`${path}.lock`);
    await unlink(join(`${path}.lock`, name!));
    next = await holder();
  });
  expect(await lock(async () => readdir(`${path}.lock`), 0)).toHaveLength(1);
  next!.send({});
  await next!.ended();
});

test('where there can be no lock the task runs without', async () => {
  await writeFile(path, 'a file, no directory');
  expect(await fileStorage(join(path, 'session')).lock(async () => 'done', LONG)).toBe('done');
  await writeFile(`${path}.lock`, 'a file, no directory');
  expect(await lock(async () => 'done')).toBe('done');
});

describe('what the dead have left', () => {
  const leave = async (name: string, age = 0): Promise<void> => {
    const then = new Date(Date.now() - age);
    await writeFile(join(directory, `session.${name}.tmp`), 'a token');
    await mkdir(join(directory, `session.lock.${name}`));
    await writeFile(join(directory, `session.lock.${name}`, name), '');
    for (const left of [`session.${name}.tmp`, `session.lock.${name}`])
      await utimes(join(directory, left), then, then);
  };

  test('goes when it is old, and what may be in use stays, as does what is not ours', async () => {
    await leave(ELSEWHERE, 3_700_000);
    await fileStorage(path).set('text');
    expect(await readdir(directory)).toEqual(['session']);
    await leave(ELSEWHERE, 60_000);
    await writeFile(join(directory, 'session.mine.tmp'), '');
    await fileStorage(path).remove();
    expect((await readdir(directory)).toSorted()).toEqual([
      `session.${ELSEWHERE}.tmp`,
      `session.lock.${ELSEWHERE}`,
      'session.mine.tmp',
    ]);
  });

  test('goes at once when it is a waiter that was killed', async () => {
    const other = await holder();
    const waiter = program.start({ what: 'hold', path, timeout: LONG } satisfies Order);
    expect(await soon(async () => (await readdir(directory)).length === 2)).toBe(true);
    await waiter.kill();
    await fileStorage(path).set('text');
    expect((await readdir(directory)).toSorted()).toEqual(['session', 'session.lock']);
    await other.kill();
  });
});
