import { once } from 'node:events';
import { chmod, chown, lstat, mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join, relative } from 'node:path';
import { fileStorage, FileStorageError } from 'token-family-client/file';
import { useFilePlace } from './file-place.js';
import type { Program } from './programs.js';
import type { Order } from './file-storage.program.js';

const NOBODY = 65_534;
const isRoot = process.geteuid!() === 0;

let directory: string;
let path: string;
let program: Program;

const place = useFilePlace();
beforeEach(() => ({ directory, path, program } = place));

const modeOf = async (name: string): Promise<string> => ((await lstat(name)).mode & 0o777).toString(8);

describe('a file', () => {
  test('is read as it was set last, by whichever storage, and is null when it is absent', async () => {
    const [one, other] = [fileStorage(path), fileStorage(relative(process.cwd(), path))];
    expect(await one.get()).toBeNull();
    await one.set('first ✓');
    expect(await other.get()).toBe('first ✓');
    await other.set('second');
    expect(await one.get()).toBe('second');
    await one.remove();
    expect(await other.get()).toBeNull();
    await other.remove();
    expect(await readdir(directory)).toEqual([]);
  });

  test('is for nobody else, whatever the umask, and so is the directory that is made for it', async () => {
    const before = process.umask(0);
    try {
      const deep = join(directory, 'a', 'b', 'session');
      await fileStorage(deep).set('secret');
      expect(await Promise.all([deep, join(deep, '..'), join(deep, '..', '..')].map(modeOf))).toEqual([
        '600',
        '700',
        '700',
      ]);
    } finally {
      process.umask(before);
    }
  });

  test('without a directory is absent', async () => {
    const storage = fileStorage(join(directory, 'none', 'session'));
    expect(await storage.get()).toBeNull();
    await storage.remove();
    expect(await readdir(directory)).toEqual([]);
  });

  test('that is empty is an error that says so', async () => {
    await writeFile(path, '', { mode: 0o600 });
    await expect(fileStorage(path).get()).rejects.toMatchObject({ code: 'ERR_FILE_EMPTY' });
  });

  test('that the system does not give out, or take, is an error that says why', async () => {
    await writeFile(path, 'a file, no directory');
    const storage = fileStorage(join(path, 'session'));
    await expect(storage.get()).rejects.toMatchObject({
      code: 'ERR_FILE_UNREADABLE',
      cause: { code: 'ENOTDIR' },
    });
    await expect(storage.set('secret')).rejects.toMatchObject({ code: 'ERR_FILE_UNWRITABLE' });
    await expect(storage.remove()).rejects.toMatchObject({ code: 'ERR_FILE_UNWRITABLE' });
  });
});

describe('refused, with the remedy and without a word of what is in it, is', () => {
  const refusals = async (code: string, ...words: string[]): Promise<void> => {
    const storage = fileStorage(path);
    for (const step of [() => storage.get(), () => storage.set('secret')]) {
      const error = await Promise.resolve(step()).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(FileStorageError);
      const { code: is, message } = error as FileStorageError;
      expect(is).toBe(code);
      for (const word of [path, ...words]) expect(message).toContain(word);
      expect(message).not.toContain('secret');
    }
    expect((await readdir(directory)).filter((name) => name.startsWith('session.'))).toEqual([]);
  };

  test.each(['640', '602', '601', '644'])('a file that others may use: mode %s', async (mode) => {
    await writeFile(path, 'secret');
    await chmod(path, Number.parseInt(mode, 8));
    await refusals('ERR_FILE_NOT_PRIVATE', mode, 'chmod 600');
  });

  test("another user's file, whoever runs this", async () => {
    const foreign = isRoot ? path : '/etc/passwd';
    await writeFile(path, 'secret', { mode: 0o600 });
    if (isRoot) await chown(path, NOBODY, NOBODY);
    const reading = Promise.resolve(fileStorage(foreign).get());
    await expect(reading).rejects.toMatchObject({ code: 'ERR_FILE_NOT_PRIVATE' });
    await expect(reading).rejects.toThrow(/belongs to another user \(uid \d+\): remove it, or name/);
  });

  test('a symbolic link, to a file of one’s own as well as to nothing', async () => {
    await symlink(join(directory, 'own'), path);
    await refusals('ERR_NOT_A_FILE', 'symbolic link');
    await writeFile(join(directory, 'own'), 'secret', { mode: 0o600 });
    await refusals('ERR_NOT_A_FILE', 'symbolic link');
  });

  test('a socket, as all that is no regular file', async () => {
    const server = createServer().listen(path);
    await once(server, 'listening');
    await refusals('ERR_NOT_A_FILE', 'no regular file');
    server.close();
  });

  test('a directory, which is not removed either', async () => {
    await mkdir(path, { mode: 0o700 });
    await refusals('ERR_NOT_A_FILE', 'directory');
    await expect(fileStorage(path).remove()).rejects.toMatchObject({ code: 'ERR_NOT_A_FILE' });
  });

  test("the superuser's file, to anybody else", async () => {
    await chmod(directory, 0o755);
    await fileStorage(path).set('secret');
    const order: Order = { what: 'read', path: isRoot ? path : '/etc/passwd' };
    const run = program.start(order, isRoot ? NOBODY : undefined);
    expect(await run.ended()).toEqual([{ code: 'ERR_FILE_NOT_PRIVATE' }]);
  });
});
