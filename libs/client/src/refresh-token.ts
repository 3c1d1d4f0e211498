import type { Session } from './session.js';
import type { TokenStorage } from './storage.js';
import { attempt } from './storages.js';

/** A refresh token as it is stored, with the Idempotency-Key that goes with every attempt to spend it. */
export interface RefreshToken {
  readonly token: string;
  /** 128 random bits, drawn with the token and used for no other */
  readonly key: string;
  readonly session: Session;
}

/**
 * The refresh token that is stored, or, where that fails, in memory.
 *
 * Another tab may have written since, so it is read anew each time it is needed. Writes are carried out one after the other, in
 * the order of the calls. A text that could not be written is no loss: the token before it, presented with its key, gets the
 * same answer again.
 */
export interface RefreshTokens {
  read(): Promise<RefreshToken | null>;
  /**
   * Keeps a token with a key of its own; where another tab has stored the same one, its key is adopted.
   *
   * @param signal aborted: nothing is written any more
   * @param newKey whether the key is replaced in any case
   */
  write(token: string, session: Session, signal: AbortSignal, newKey?: boolean): Promise<void>;
  /**
   * Removes the token, if it is of that session; of any, where none is named.
   *
   * @returns what was removed
   */
  remove(sid: string | undefined): Promise<RefreshToken | null>;
}

export function createRefreshTokens(storage: TokenStorage): RefreshTokens {
  let known: RefreshToken | null = null;
  /** what was in the storage when `known` was last brought in line with it */
  let seen: string | null | undefined;
  let last: Promise<void> = Promise.resolve();

  async function read(): Promise<RefreshToken | null> {
    await last;
    const text = await attempt(() => storage.get());
    // Unreadable, or as it was: what is known is at least as new.
    if (text !== undefined && text !== seen) known = parse((seen = text));
    return known;
  }

  /** In its turn. What is known has changed even where the storage could not be. */
  function change(signal: AbortSignal | undefined, next: RefreshToken | null): Promise<void> {
    return (last = last.then(async () => {
      if (signal?.aborted) return;
      known = next;
      const text = next && JSON.stringify(next);
      const done = await attempt(() => (text === null ? storage.remove() : storage.set(text)));
      if (done !== undefined) seen = text;
    }));
  }

  return {
    read,
    async write(token, session, signal, newKey) {
      if (newKey || (await read())?.token !== token)
        await change(signal, { token, key: randomKey(), session });
    },
    async remove(sid) {
      const stored = await read();
      if (!stored || (sid ?? stored.session.sid) !== stored.session.sid) return null;
      await change(undefined, null);
      return stored;
    },
  };
}

/** Digits and hyphens; pages without TLS can make it, too. */
function randomKey(): string {
  return crypto.getRandomValues(new Uint32Array(4)).join('-');
}

function parse(text: string | null): RefreshToken | null {
  try {
    const { token, key, session } = JSON.parse(text!) as RefreshToken;
    return [token, key, session.sid].every((part) => typeof part === 'string')
      ? { token, key, session }
      : null;
  } catch {
    return null;
  }
}
