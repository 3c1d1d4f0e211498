import { mkdir, readdir, rename, rmdir, stat, unlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf } from './errors.js';
import { candidateOf, removeCandidate } from './left-overs.js';
import { makeDirectoryOf } from './private-file.js';
import { drawProcessName, hasGone } from './process-name.js';

/** Milliseconds. */
export interface SignsOfLife {
  /** between two beats of who holds the lock */
  readonly beat: number;
  /** after which a lock whose last beat is so long ago is taken from its holder */
  readonly stale: number;
  /** for which it must have been still before our own eyes, whatever the clocks say; `stale` settles it without them */
  readonly watched: number;
}

const SIGNS_OF_LIFE: SignsOfLife = { beat: 2_000, stale: 10_000, watched: 5_000 };

/**
 * A lock between processes: a directory with one file in it, which bears its holder's name.
 *
 * The directory is made elsewhere, file and all, and renamed to its place, which fails while another one with a file in
 * it is there: nobody ever sees a lock without its holder. It is let go, or taken from a holder that has died, by
 * removing the file of that very name: of many who judge one holder dead one removes it, and none can remove the
 * lock of the next by mistake, as they could if every lock bore the same name.
 */
export class DirectoryLock {
  constructor(
    private readonly path: string,
    private readonly signs: SignsOfLife = SIGNS_OF_LIFE,
  ) {}

  async run<T>(task: () => Promise<T>, timeout: number): Promise<T> {
    const holder = await this.acquire(performance.now() + timeout);
    if (holder === undefined) return task();
    const beats = setInterval(() => void this.beat(holder), this.signs.beat).unref();
    try {
      return await task();
    } finally {
      clearInterval(beats);
      await this.remove(holder);
    }
  }

  /** @returns the name the lock is held by; undefined when there is none to have, in time or at all */
  private async acquire(deadline: number): Promise<string | undefined> {
    const name = drawProcessName();
    const candidate = candidateOf(this.path, name);
    try {
      await makeDirectoryOf(candidate);
      await mkdir(candidate, { mode: 0o700 });
      await writeFile(join(candidate, name), '', { flag: 'wx', mode: 0o600 });
      if (await this.enter(candidate, deadline)) {
        await this.beat(name);
        return name;
      }
    } catch {
      // A file system that takes no lock: the task needs none to be safe, only to be spared a request.
    }
    await removeCandidate(candidate, name).catch(() => {});
    return undefined;
  }

  private async enter(candidate: string, deadline: number): Promise<boolean> {
    const watch = new Watch();
    for (;;) {
      if (await takesPlace(candidate, this.path)) return true;
      const left = deadline - performance.now();
      if (left <= 0) return false;
      if (!(await this.freeOfTheDead(watch))) await sleep(Math.min(left, 5 + Math.random() * 20));
    }
  }

  /** @returns whether there is reason to try again at once */
  private async freeOfTheDead(watch: Watch): Promise<boolean> {
    const holders = await readdir(this.path).catch(() => null);
    const [name] = holders ?? [];
    // Just let go: where a rename does not replace an empty directory, it has to go first.
    if (name === undefined) return holders !== null && (await rmdir(this.path).then(yes, no));
    const file = join(this.path, name);
    const lastBeat = await stat(file).then(({ mtimeMs }) => mtimeMs, no);
    if (lastBeat === false) return false;
    const watched = watch.see(name, lastBeat);
    const { stale } = this.signs;
    const isStill = watched >= stale || (watched >= this.signs.watched && Date.now() - lastBeat >= stale);
    return (hasGone(name) || isStill) && (await unlink(file).then(yes, no));
  }

  private async beat(holder: string): Promise<void> {
    const now = new Date();
    await utimes(join(this.path, holder), now, now).catch(() => {});
  }

  /** Nothing is there to remove when it was taken from us meanwhile. */
  private async remove(holder: string): Promise<void> {
    if (await unlink(join(this.path, holder)).then(yes, no)) await rmdir(this.path).catch(() => {});
  }
}

class Watch {
  #seen = '';
  #since = 0;

  /** @returns the milliseconds for which that holder has not beaten before our eyes */
  see(holder: string, lastBeat: number): number {
    const seen = `${holder} ${lastBeat}`;
    if (seen !== this.#seen) this.#since = performance.now();
    this.#seen = seen;
    return performance.now() - this.#since;
  }
}

const yes = (): true => true;
const no = (): false => false;

/** @throws when nothing can ever take that place */
async function takesPlace(candidate: string, path: string): Promise<boolean> {
  try {
    await rename(candidate, path);
    return true;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(String(codeOf(error)))) throw error;
    return false;
  }
}
