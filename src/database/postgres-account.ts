import { chmod, lstat, mkdir, readFile, realpath } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The user and group a server runs under. */
export interface PostgresAccount {
  uid: number;
  gid: number;
}

/**
 * Finds the account for the server: PostgreSQL refuses to run as root, so root lends it `nobody`'s.
 *
 * @returns undefined unless this process is root: then the server runs as we do
 * @throws {Error} this process is root and /etc/passwd has no `nobody`
 */
export async function postgresAccount(): Promise<PostgresAccount | undefined> {
  if (process.geteuid?.() !== 0) return undefined;
  const entry = /^nobody:[^:]*:(-?\d+):(-?\d+):/m.exec(await readFile('/etc/passwd', 'utf8'));
  if (!entry) {
    throw new Error(
      'PostgreSQL refuses to run as root, and /etc/passwd has no user "nobody" to run it as. ' +
        'Run as another user, or set DATABASE_URL.',
    );
  }
  return { uid: Number(entry[1]), gid: Number(entry[2]) };
}

/**
 * Opens this user's folder under the system's temporary directory.
 *
 * Others may pass through it to a path they know, but neither list nor write it. Its name is predictable, so
 * one that somebody else planted is refused.
 *
 * @throws {Error} the name is taken by something that is not ours alone
 */
export async function ownTemporaryFolder(): Promise<string> {
  const uid = process.geteuid?.();
  const folder = join(await realpath(tmpdir()), `token-family-postgres-${uid}`);
  await mkdir(folder, { mode: 0o711 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  const found = await lstat(folder);
  if (!found.isDirectory() || found.uid !== uid || (found.mode & 0o022) !== 0) {
    throw new Error(
      `${folder} is not a directory that only we can write. Remove it, or set TMPDIR or DATABASE_URL.`,
    );
  }
  // The umask may have closed it to the server's account.
  await chmod(folder, 0o711);
  return folder;
}
