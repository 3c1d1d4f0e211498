import { lstat, readdir, rmdir, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { hasGone, PROCESS_NAME } from './process-name.js';

/** Milliseconds; of a process elsewhere nobody can say whether it has gone. */
const OLD = 3_600_000;

/** A file that is being written; in the directory of its target, as a rename between file systems is not one step. */
export function temporaryOf(path: string, maker: string): string {
  return `${path}.${maker}.tmp`;
}

/** A lock in waiting, with a file of its maker's name in it. */
export function candidateOf(lock: string, maker: string): string {
  return `${lock}.${maker}`;
}

/** Never by a recursion: in a directory that others may write to, they could lead it elsewhere. */
export async function removeCandidate(candidate: string, maker: string): Promise<void> {
  await unlink(join(candidate, maker)).catch(() => {});
  await rmdir(candidate);
}

/** Removes what processes that died in mid-write, or while they waited for the lock, have left beside the file. */
export async function removeLeftOvers(path: string): Promise<void> {
  const directory = dirname(path);
  const start = `${basename(path)}.`;
  for (const entry of await readdir(directory)) {
    if (!entry.startsWith(start)) continue;
    const maker = entry.slice(start.length).replace(/^lock\.|\.tmp$/g, '');
    if (!PROCESS_NAME.test(maker)) continue;
    const found = join(directory, entry);
    if (!hasGone(maker) && Date.now() - (await lstat(found)).mtimeMs < OLD) continue;
    await (entry.endsWith('.tmp') ? unlink(found) : removeCandidate(found, maker));
  }
}
