import { dueIn, isUsable, type AccessToken } from './access-token.js';
import type { Session, SessionChange } from './session.js';

/** The session of this tab, and its access token, which lives here and nowhere else. */
export class SessionState {
  /** undefined: nobody has found out yet */
  session: Session | null | undefined;
  token: AccessToken | null = null;
  /** the access token that a resource server has refused */
  refused: string | undefined;
  /** the session that ended last: what is found of it later is a left-over */
  endedSid: string | undefined;
  #epoch = new AbortController();
  readonly #listeners = new Set<(change: SessionChange) => void>();

  /** Aborted when this session ends or another one takes its place: what was begun for it is of no use any more. */
  get signal(): AbortSignal {
    return this.#epoch.signal;
  }

  /** The token, if it can be used and has not been refused. */
  get usable(): AccessToken | null {
    const { token } = this;
    return token && token.value !== this.refused && isUsable(token) ? token : null;
  }

  /** Whether the token is good, and no other one due yet. */
  get isFresh(): boolean {
    const { usable } = this;
    return usable !== null && dueIn(usable) > 0;
  }

  /** A session, where none was known, or another. The same one again changes nothing. */
  begin(session: Session, reason: SessionChange['reason']): void {
    const before = this.session;
    if (before?.sid === session.sid) return;
    if (before) this.#turn();
    this.session = session;
    this.#tell({ session, reason: before ? 'replaced' : reason });
  }

  /** Who never knew of a session is not told of its end. */
  end(reason: SessionChange['reason']): void {
    const { session } = this;
    this.endedSid = session?.sid;
    this.#turn();
    this.session = null;
    if (session) this.#tell({ session: null, reason });
  }

  /** Nothing is known any more, and nobody is told. */
  forget(): void {
    this.#turn();
    this.session = undefined;
  }

  onChange(listener: (change: SessionChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #turn(): void {
    this.token = null;
    this.refused = undefined;
    const ended = this.#epoch;
    this.#epoch = new AbortController();
    ended.abort();
  }

  #tell(change: SessionChange): void {
    for (const listener of this.#listeners) {
      try {
        listener(change);
      } catch (error) {
        // The listener's own affair; the session goes on.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
