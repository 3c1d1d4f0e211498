import { resolve } from 'node:path';
import type { TokenStorage } from '../storage.js';
import { DirectoryLock } from './directory-lock.js';
import { removeLeftOvers } from './left-overs.js';
import { readPrivate, removePrivate, replacePrivate } from './private-file.js';

/**
 * Keeps the refresh token in a file, for command-line tools whose runs share one session.
 *
 * The file has mode 0600, and its directory 0700 where it had to be made. What others may read or write, another user's
 * file, a symbolic link and anything that is no file are refused, not used. On Windows there are no such modes: name a
 * path inside the user's profile, whose access list keeps others out. Whoever may read the user's files, or a backup
 * of them, has the session: where the machine has a key store, prefer that.
 *
 * `set` is atomic and durable: a crash, of the process or the machine, leaves the old text or the new one, whole.
 * `lock` (a directory, `<path>.lock`) excludes every other process and every other storage on the same path. That of a
 * process that died is taken over at once; one from another container or host, when it has given no sign of life for 10
 * seconds. A lock that cannot be had, in time or at all, does not keep the task from running: the server
 * answers two refreshes of one token alike.
 *
 * @param path of the file; a relative one is taken from where the process is now
 * @returns a storage for `createTokenClient`. Its methods reject with nothing but {@link FileStorageError}; `get` gives
 *   null when the file is absent, and an empty one is an error
 * @throws {FileStorageError} ERR_FILE_NOT_PRIVATE, ERR_NOT_A_FILE, ERR_FILE_EMPTY, ERR_FILE_UNREADABLE,
 *   ERR_FILE_UNWRITABLE, from the methods
 */
export function fileStorage(path: string): TokenStorage & Required<Pick<TokenStorage, 'lock'>> {
  const file = resolve(path);
  const lock = new DirectoryLock(`${file}.lock`);
  return {
    get: () => readPrivate(file),
    set: async (value) => {
      await replacePrivate(file, value);
      await removeLeftOvers(file).catch(() => {});
    },
    remove: async () => {
      await removePrivate(file);
      await removeLeftOvers(file).catch(() => {});
    },
    lock: (task, timeout) => lock.run(task, timeout),
  };
}
