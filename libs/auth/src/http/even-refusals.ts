import { randomInt } from 'node:crypto';
import { InvalidGrantError } from '../core/errors.js';

/** Milliseconds: longer than it takes a database nearby to find out why, shorter than anybody waits for. */
const AT_LEAST = 10;
/** Drawn anew each time: a timer is right to a millisecond, and by how much it is off depends on what was done meanwhile. */
const AT_MOST = 20;

/**
 * Answers `invalid_grant` at a time that was set when the request came, so that it does not tell what its one wire shape
 * hides: whether a token is none of ours, or unknown, expired, revoked or forged, and how much had to be asked.
 *
 * Nothing else is held back; and not for longer, where finding out took longer. The time is set before anything is
 * done, as one that was counted from there on would carry what was done.
 */
export async function refusingEvenly<T>(work: () => Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const due = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, randomInt(AT_LEAST, AT_MOST + 1));
  });
  try {
    return await work();
  } catch (error) {
    if (error instanceof InvalidGrantError) await due;
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
