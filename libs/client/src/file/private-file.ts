import { constants, type Stats } from 'node:fs';
import { lstat, mkdir, open, rename, rm, unlink, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf, FileStorageError, type FileStorageErrorCode } from './errors.js';
import { temporaryOf } from './left-overs.js';
import { drawProcessName } from './process-name.js';

/*
 * One file with a secret in it. POSIX: mode 0600 and the user's own, checked on what was opened, not on what the name
 * stood for before. Windows has no such modes: there the profile's ACL keeps others out.
 */

/** Absent on Windows. A pipe in the file's place must not hold us up until somebody writes to it. */
const TO_READ = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);
const TO_CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0);
const WINDOWS = process.platform === 'win32';

/** @returns what is in it; null when it is absent */
export async function readPrivate(path: string): Promise<string | null> {
  return orRefuse('ERR_FILE_UNREADABLE', path, 'read', async () => {
    if (!(await isThere(path))) return null;
    const handle = await orAbsent(() => open(path, TO_READ));
    return handle && (await closing(handle, () => textIn(path, handle)));
  });
}

/** Puts `text` in its place, whole and on the disk, or leaves what was there. */
export async function replacePrivate(path: string, text: string): Promise<void> {
  await orRefuse('ERR_FILE_UNWRITABLE', path, 'written', async () => {
    await makeDirectoryOf(path);
    await isThere(path);
    const temporary = temporaryOf(path, drawProcessName());
    try {
      const handle = await open(temporary, TO_CREATE, 0o600);
      await closing(handle, async () => {
        // Some file systems keep no modes; the secret is not written there.
        refuseUnlessPrivate(path, await handle.stat());
        await handle.writeFile(text);
        await handle.sync();
      });
      await whileBusy(() => rename(temporary, path));
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
    await syncDirectoryOf(path);
  });
}

/** Whatever its mode: at a logout a file that others may read is better gone. */
export async function removePrivate(path: string): Promise<void> {
  await orRefuse('ERR_FILE_UNWRITABLE', path, 'removed', async () => {
    const there = await orAbsent(() => lstat(path));
    if (there?.isDirectory()) throw notAFile(path, 'a directory');
    if (!there) return;
    await orAbsent(() => whileBusy(() => unlink(path)));
    await syncDirectoryOf(path);
  });
}

export async function makeDirectoryOf(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
}

/** @throws {FileStorageError} when what is there may not be used */
async function isThere(path: string): Promise<boolean> {
  const there = await orAbsent(() => lstat(path));
  if (there) refuseUnlessPrivate(path, there);
  return there !== null;
}

async function textIn(path: string, handle: FileHandle): Promise<string> {
  refuseUnlessPrivate(path, await handle.stat());
  const text = await handle.readFile('utf8');
  if (text === '')
    throw new FileStorageError('ERR_FILE_EMPTY', `${path} is empty: remove it, and log in again`);
  return text;
}

function refuseUnlessPrivate(path: string, stats: Stats): void {
  if (stats.isSymbolicLink()) throw notAFile(path, 'a symbolic link');
  if (!stats.isFile()) throw notAFile(path, stats.isDirectory() ? 'a directory' : 'no regular file');
  if (WINDOWS) return;
  if (stats.uid !== process.geteuid!()) {
    const whose = `${path} belongs to another user (uid ${stats.uid})`;
    throw new FileStorageError('ERR_FILE_NOT_PRIVATE', `${whose}: remove it, or name a file of your own`);
  }
  if ((stats.mode & 0o077) !== 0) {
    const exposed = `${path} may be used by others (mode ${(stats.mode & 0o777).toString(8)})`;
    throw new FileStorageError(
      'ERR_FILE_NOT_PRIVATE',
      `${exposed}: remove it, and log in again, or chmod 600`,
    );
  }
}

function notAFile(path: string, kind: string): FileStorageError {
  return new FileStorageError(
    'ERR_NOT_A_FILE',
    `${path} is ${kind}: name a file, or a path where nothing is`,
  );
}

/** Else a crash of the machine could bring the old file back. Windows has no such call, some network shares refuse it. */
async function syncDirectoryOf(path: string): Promise<void> {
  if (WINDOWS) return;
  const handle = await open(dirname(path), constants.O_RDONLY);
  await closing(handle, async () => {
    try {
      await handle.sync();
    } catch (error) {
      if (codeOf(error) !== 'EINVAL') throw error;
    }
  });
}

async function closing<T>(handle: FileHandle, use: () => Promise<T>): Promise<T> {
  try {
    return await use();
  } finally {
    await handle.close();
  }
}

async function orAbsent<T>(look: () => Promise<T>): Promise<T | null> {
  try {
    return await look();
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null;
    throw error;
  }
}

/** Windows refuses to replace or remove a file while somebody, a virus scanner say, has it open. */
async function whileBusy<T>(step: () => Promise<T>): Promise<T> {
  for (let left = WINDOWS ? 50 : 0; ; left--) {
    try {
      return await step();
    } catch (error) {
      if (left === 0 || !['EPERM', 'EACCES', 'EBUSY'].includes(String(codeOf(error)))) throw error;
      await sleep(10 + Math.random() * 20);
    }
  }
}

async function orRefuse<T>(
  code: FileStorageErrorCode,
  path: string,
  done: string,
  step: () => Promise<T>,
): Promise<T> {
  try {
    return await step();
  } catch (cause) {
    if (cause instanceof FileStorageError) throw cause;
    throw new FileStorageError(code, `${path} cannot be ${done}: ${String(codeOf(cause))}`, { cause });
  }
}
