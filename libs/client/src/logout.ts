import type { Answer, AuthServer, Presented } from './auth-server.js';
import { TokenClientError } from './errors.js';
import { firstOf } from './first-of.js';
import { Pause } from './pause.js';
import { localStorage } from './platform.js';

/** Tells the server that a session has ended, again and again until it has heard. */
export class Logout {
  readonly #key: string | null;
  readonly #end = new AbortController();
  #pending = new AbortController();

  /** @param name under which a tab that dies leaves behind that the cookie is still there; null where no cookie is */
  constructor(
    private readonly server: AuthServer,
    private readonly patience: number,
    name: string | null,
  ) {
    this.#key = name && `${name} logout`;
  }

  /** The session whose cookie an earlier page could not get rid of; an empty text for one that was not known; null for none. */
  get unfinished(): string | null {
    return attempt((storage) => storage.getItem(this.#key!), this.#key);
  }

  /**
   * @throws {TokenClientError} `ERR_UNAVAILABLE`: the server has not heard within the patience, and is told until it has;
   * `ERR_REFUSED`: it does not understand
   */
  async send(presented: Presented, accessToken?: string): Promise<void> {
    attempt((storage) => storage.setItem(this.#key!, presented.sid ?? ''), this.#key);
    const told = this.#tell(presented, accessToken, this.#pending.signal);
    const kind = await firstOf(told, this.patience, [this.#end.signal]);
    if (kind === 'refused')
      throw new TokenClientError('ERR_REFUSED', 'The server does not understand the logout');
    if (!kind) throw new TokenClientError('ERR_UNAVAILABLE', 'The server does not know of the logout yet');
  }

  /** A new login has replaced the cookie, which there is nothing to tell of any more. */
  forget(): void {
    if (!this.#key) return;
    this.#pending.abort();
    this.#pending = new AbortController();
    attempt((storage) => storage.removeItem(this.#key!), this.#key);
  }

  stop(): void {
    this.#end.abort();
  }

  async #tell(
    presented: Presented,
    accessToken: string | undefined,
    signal: AbortSignal,
  ): Promise<Answer['kind'] | undefined> {
    const pause = new Pause();
    while (!signal.aborted && !this.#end.signal.aborted) {
      const kind = await this.server.logout(presented, accessToken, signal);
      if (kind !== 'unavailable') {
        attempt((storage) => storage.removeItem(this.#key!), this.#key);
        return kind;
      }
      pause.extend();
      await firstOf(null, pause.remaining, [signal, this.#end.signal]);
    }
    return undefined;
  }
}

/** Without storage a reload forgets, and there is nothing better to be had. */
function attempt<T>(
  use: (storage: NonNullable<ReturnType<typeof localStorage>>) => T,
  key: string | null,
): T | null {
  try {
    const storage = key === null ? undefined : localStorage();
    return storage ? use(storage) : null;
  } catch {
    return null;
  }
}
