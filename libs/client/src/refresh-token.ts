import { unreadable } from './errors.js';
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
  /** @throws {TokenClientError} `ERR_STORAGE`: it cannot be read, and nothing is known from before */
  read(): Promise<RefreshToken | null>;
  /**
   * Keeps a token with a new key.
   *
   * @param signal aborted: nothing is written any more
   */
  write(token: string, session: Session, signal: AbortSignal): Promise<void>;
  /**
   * Removes the token, if it is of that session.
   *
   * @returns what was removed
   */
  remove(sid: string): Promise<RefreshToken | null>;
}

export function createRefreshTokens(storage: TokenStorage): RefreshTokens {
  let known: RefreshToken | null | undefined;
  /** what was in the storage when `known` was last brought in line with it */
  let seen: string | null | undefined;
  let last: Promise<unknown> = Promise.resolve();

  /** One after the other: what was read is still so when it is acted upon. */
  function inTurn<T>(task: () => Promise<T>): Promise<T> {
    const done = last.then(task);
    last = done.catch(() => {});
    return done;
  }

  async function get(): Promise<RefreshToken | null> {
    try {
      const text = (await storage.get()) ?? null;
      // As it was: what is known is at least as new.
      if (text !== seen) known = parse((seen = text));
    } catch (cause) {
      if (known === undefined) throw unreadable(cause);
    }
    return known ?? null;
  }

  /** What is known has changed even where the storage could not be. */
  async function set(next: RefreshToken | null): Promise<void> {
    known = next;
    const text = next && JSON.stringify(next);
    try {
      await (text === null ? storage.remove() : storage.set(text));
      seen = text;
    } catch {
      // Then it is one behind, which is no loss; whatever is there is older than what is known.
      const there = Promise.resolve().then(() => storage.get());
      seen = (await there.catch(() => seen)) ?? null;
    }
  }

  return {
    read: () => inTurn(get),
    write: (token, session, signal) =>
      inTurn(async () => {
        if (!signal.aborted) await set({ token, key: randomKey(), session });
      }),
    remove: (sid) =>
      inTurn(async () => {
        const stored = await get();
        if (stored?.session.sid !== sid) return null;
        await set(null);
        return stored;
      }),
  };
}

/** Digits and hyphens; pages without TLS can make it, too. */
function randomKey(): string {
  return crypto.getRandomValues(new Uint32Array(4)).join('-');
}

function parse(text: string | null): RefreshToken | null {
  const found = attempt(() => JSON.parse(text!) as RefreshToken | null);
  return found?.token && found.key && found.session?.sid ? found : null;
}
