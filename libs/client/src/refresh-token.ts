import type { Session } from './session.js';
import type { TokenStorage } from './storage.js';

/** A refresh token as it is stored, with the Idempotency-Key that goes with every attempt to spend it. */
export interface RefreshToken {
  readonly token: string;
  /** 32 hexadecimal digits, random, drawn with the token and used for no other */
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
export class RefreshTokens {
  #known: RefreshToken | null = null;
  /** what was in the storage when `#known` was last brought in line with it */
  #text: string | null | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(private readonly storage: TokenStorage) {}

  async read(): Promise<RefreshToken | null> {
    await this.#last;
    const text = await attempt(() => this.storage.get());
    // Unreadable, or as it was: what is known is at least as new.
    if (text !== undefined && text !== this.#text) {
      this.#text = text;
      this.#known = parse(text);
    }
    return this.#known;
  }

  /**
   * Keeps a token with a key of its own; where another tab has stored the same one, its key is adopted.
   *
   * @param signal aborted: nothing is written any more, and what has been has been removed since
   */
  async write(token: string, session: Session, signal: AbortSignal): Promise<void> {
    const stored = await this.read();
    if (stored?.token !== token) await this.#put({ token, key: newKey(), session }, signal);
  }

  /** Gives the stored token another key. */
  async renewKey(refreshToken: RefreshToken, signal: AbortSignal): Promise<void> {
    await this.#put({ ...refreshToken, key: newKey() }, signal);
  }

  /** Removes the token, if it is of that session. */
  async remove(sid: string | undefined): Promise<RefreshToken | null> {
    const stored = await this.read();
    if (!stored || (sid !== undefined && stored.session.sid !== sid)) return null;
    this.#known = null;
    await this.#next(async () => {
      if ((await attempt(() => this.storage.remove())) !== undefined) this.#text = null;
    });
    return stored;
  }

  async #put(refreshToken: RefreshToken, signal: AbortSignal): Promise<void> {
    await this.#next(async () => {
      if (signal.aborted) return;
      const text = JSON.stringify(refreshToken);
      this.#known = refreshToken;
      if ((await attempt(() => this.storage.set(text))) !== undefined) this.#text = text;
    });
  }

  #next(task: () => Promise<void>): Promise<void> {
    const done = this.#last.then(task);
    this.#last = done;
    return done;
  }
}

/** What `call` resolves to, null for nothing; undefined when it failed. */
async function attempt(call: () => unknown): Promise<string | null | undefined> {
  try {
    return ((await call()) as string | null | undefined) ?? null;
  } catch {
    return undefined;
  }
}

function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function parse(text: string | null): RefreshToken | null {
  try {
    const { token, key, session } = JSON.parse(text ?? '') as RefreshToken;
    return [token, key, session.sid].every((part) => typeof part === 'string')
      ? { token, key, session }
      : null;
  } catch {
    return null;
  }
}
