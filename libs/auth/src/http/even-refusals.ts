import { InvalidGrantError } from '../core/errors.js';

/**
 * Milliseconds from the beginning of a refresh until a refusal is answered: longer than it takes a database nearby to
 * find out why, shorter than anybody waits for.
 */
const REFUSED_AFTER = 10;

/**
 * Answers `invalid_grant` not before a time that was set when the request came, so that its time does not tell what its one
 * wire shape hides: whether a token is none of ours, or unknown, expired, revoked or forged, and how much had to be asked.
 *
 * Nothing else is held back; and not for longer, where finding out took longer. The time is set before anything is
 * done, as one that was counted from there on would carry what was done.
 */
export async function refusingEvenly<T>(work: () => Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const due = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, REFUSED_AFTER);
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
