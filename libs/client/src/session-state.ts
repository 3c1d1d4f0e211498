import type { AccessToken } from './access-token.js';
import type { Session, SessionChange } from './session.js';
import type { Stopwatch } from './stopwatch.js';

type Reason = SessionChange['reason'];

/** The session of this tab, and its access token, which lives here and nowhere else. */
export interface SessionState {
  /** undefined: nobody has found out yet */
  session: Session | null | undefined;
  token: AccessToken | null;
  /** the access token that a resource server has refused, or that may be of a session long over */
  refused: string | undefined;
  /** since one of this session was refused, and another fetched for it */
  sinceRefusal: Stopwatch | undefined;
  /** the session that ended last: what is found of it later is a left-over */
  endedSid: string | undefined;
  /** Aborted when this session ends or another one takes its place: what was begun for it is of no use any more. */
  signal(): AbortSignal;
  /** A session, where none was known, or another. The same one again changes nothing, and none that has ended begins again. */
  begin(session: Session, reason: Reason): void;
  /** Who never knew of a session is not told of its end. */
  end(reason: Reason): void;
  /** Nothing is known any more, and nobody is told. */
  forget(): void;
  readonly listeners: Set<(change: SessionChange) => void>;
  /** Called when `signal` is aborted, for those who wait. */
  readonly waiting: Set<() => void>;
}

export function createSessionState(): SessionState {
  let epoch = new AbortController();

  function turn(session: Session | null | undefined): void {
    const ended = epoch;
    epoch = new AbortController();
    Object.assign(state, { session, token: null, sinceRefusal: undefined });
    ended.abort();
    for (const end of state.waiting) end();
  }

  function tell(change: SessionChange): void {
    for (const listener of state.listeners) {
      try {
        listener(change);
      } catch (error) {
        // The listener's own affair, to be heard of as an unhandled rejection; the session goes on.
        void Promise.reject(error);
      }
    }
  }

  const state: SessionState = {
    session: undefined,
    token: null,
    refused: undefined,
    sinceRefusal: undefined,
    endedSid: undefined,
    listeners: new Set(),
    waiting: new Set(),
    signal: () => epoch.signal,
    begin(session, reason) {
      const before = state.session;
      if (before?.sid === session.sid || session.sid === state.endedSid) return;
      if (before) turn(session);
      state.session = session;
      tell({ session, reason: before ? 'replaced' : reason });
    },
    end(reason) {
      const before = state.session;
      if (before) state.endedSid = before.sid;
      turn(null);
      if (before) tell({ session: null, reason });
    },
    forget: () => turn(undefined),
  };
  return state;
}
