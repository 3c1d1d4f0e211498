import { scheduleOf } from './access-token.js';
import type { AuthServer } from './auth-server.js';
import { noSession, refused, unavailable } from './errors.js';
import type { Pause } from './pause.js';
import type { RefreshToken, RefreshTokens } from './refresh-token.js';
import type { SessionState } from './session-state.js';
import { sessionOf, type SessionChange } from './session.js';
import { startStopwatch, type Stopwatch } from './stopwatch.js';
import type { Tabs } from './tabs.js';
import type { Tokens } from './token-response.js';
import { waitFor } from './wait.js';

/** What a refresher works with. Durations in milliseconds. */
export interface Parts {
  readonly state: SessionState;
  readonly server: AuthServer;
  /** null: there can be none */
  readonly tabs: Tabs | null;
  readonly pause: Pause;
  /** null: the server keeps the refresh token in a cookie */
  readonly refreshTokens: RefreshTokens | null;
  readonly patience: number;
  /** Runs a task while no other tab runs one. */
  readonly lock: <T>(task: () => Promise<T>) => Promise<T>;
  /** @throws {TokenClientError} the client was disposed */
  readonly assertAlive: () => void;
  /** Called when an attempt is over, or a token was taken. */
  readonly settled: () => void;
}

export interface Wish {
  /** an access token that a resource server has refused: another one is wanted */
  readonly refused?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Gets access tokens: one attempt at a time in this tab, and one at a time among all tabs.
 *
 * Nothing but a definite answer ends the session. Whatever is lost, late or busy is tried again, with the same refresh
 * token and the same key, so that the server gives the same answer.
 */
export interface Refresher {
  /** @throws {TokenClientError} there is no session any more, the server is out of reach, or it does not understand */
  get(wish: Wish): Promise<string>;
  /** Refreshes ahead of need: nobody waits for it, so that nobody is troubled if it fails. */
  refreshIfDue(): void;
  /** Takes what the server has answered, and shares it with the other tabs. */
  accept(tokens: Tokens, age: Stopwatch, isLogin: boolean): Promise<void>;
  /** Takes what another tab has shared. */
  take(tokens: Tokens, age: Stopwatch): void;
}

/** Milliseconds for the news of the tab that had the lock until now: they may come after the lock. */
const NEWS_DELAY = 50;
/** Milliseconds after which who waits for a pause to end looks whether it was cut short. */
const LOOK = 1_000;
/** Milliseconds for which no second token is fetched because of a refusal: where fresh ones are refused, there is no better one. */
const COOL_DOWN = 30_000;

export function createRefresher(parts: Parts): Refresher {
  const { state, server, tabs, pause, refreshTokens, patience, lock, settled, assertAlive } = parts;
  let attempt: { readonly signal: AbortSignal; readonly done: Promise<void> } | null = null;

  async function get({ refused: unwanted, signal: callers }: Wish): Promise<string> {
    const signal = state.signal();
    const begin = performance.now();
    if (unwanted && unwanted === state.token?.value && unwanted !== state.refused) {
      // One was replaced for this reason a moment ago: the next one would be refused as well.
      if (state.sinceRefusal && state.sinceRefusal() < COOL_DOWN) return unwanted;
      state.sinceRefusal = startStopwatch();
      state.refused = unwanted;
    }
    for (;;) {
      callers?.throwIfAborted();
      if (signal.aborted || state.session === null) {
        assertAlive();
        throw noSession();
      }
      const { token } = state;
      if (token && isBefore('staleAt')) {
        refreshIfDue();
        return token.value;
      }
      const rest = pause.remaining();
      const left = patience - (performance.now() - begin);
      if (left <= rest) throw unavailable(Math.ceil(rest / 1000));
      await waitFor(
        rest > 0 ? null : attemptOnce(),
        rest ? Math.min(rest, LOOK) : left,
        callers,
        state.waiting,
      );
      // However short it lives, or however long it was on its way: no other one would be better.
      if (!signal.aborted && state.token && state.token !== token) return state.token.value;
    }
  }

  /** Whether there is a token that was not refused, younger than that. */
  function isBefore(age: 'dueAt' | 'staleAt'): boolean {
    const { token } = state;
    return token !== null && token.value !== state.refused && token.age() < token[age];
  }

  function refreshIfDue(): void {
    if (state.token && !isBefore('dueAt') && pause.remaining() === 0) attemptOnce().catch(() => {});
  }

  function attemptOnce(): Promise<void> {
    const signal = state.signal();
    if (attempt?.signal === signal) return attempt.done;
    const before = state.token;
    const waited = startStopwatch();
    const done = lock(async () => {
      if (tabs && waited() > 5 && state.token === before) await waitFor(null, NEWS_DELAY);
      signal.throwIfAborted();
      if (state.token === before || !isBefore('dueAt')) return refresh(signal);
    })
      .catch((error: unknown) => {
        if (!signal.aborted) throw error;
      })
      .finally(() => {
        if (attempt?.done === done) attempt = null;
        settled();
      });
    attempt = { signal, done };
    return done;
  }

  /**
   * What is stored now; another login may have come.
   *
   * @throws as `signal` was aborted: what was begun is of no use any more
   */
  async function look(signal: AbortSignal): Promise<RefreshToken | null | undefined> {
    const stored = await refreshTokens?.read();
    signal.throwIfAborted();
    if (stored) state.begin(stored.session, 'restored');
    signal.throwIfAborted();
    return stored;
  }

  /** One request. What it cannot decide is left to the next one. */
  async function refresh(signal: AbortSignal): Promise<void> {
    const refreshToken = await look(signal);
    if (refreshToken === null) return end('logout');
    const age = startStopwatch();
    const answer = await server('refresh', { refreshToken, sid: state.session?.sid }, signal);
    // Another tab may have been faster, where the lock was not waited for; what it has stored is newer.
    const stored = await look(signal);
    const isLast = stored?.key === refreshToken?.key;
    switch (answer.kind) {
      case 'tokens': {
        const { tokens } = answer;
        if (stored === null) return end('logout');
        // The same token again keeps its key: another tab may be presenting both.
        if (isLast && tokens.refresh_token !== refreshToken?.token) {
          await refreshTokens!.write(tokens.refresh_token!, sessionOf(tokens), signal);
        }
        signal.throwIfAborted();
        pause.end();
        return accept(tokens, age, false);
      }
      case 'invalid_grant':
        return isLast ? end('invalid_grant') : undefined;
      case 'session_mismatch':
        // Whoever was logged in here is told before anything is done in the name of the other one.
        void end('replaced');
        return state.forget();
      case 'refused':
        pause.extend();
        throw refused(answer.status);
      case 'key_reused':
        if (stored && isLast) await refreshTokens!.write(stored.token, stored.session, signal);
        return pause.extend();
      case 'unavailable':
        return pause.extend(answer.retryAfter);
    }
  }

  async function end(reason: SessionChange['reason']): Promise<void> {
    const { session } = state;
    const isOver = session && reason !== 'replaced';
    // First the others: who is told here may dispose of this client.
    if (isOver) tabs?.tell({ session, ended: reason });
    state.end(reason);
    if (isOver) await refreshTokens?.remove(session.sid);
  }

  async function accept(tokens: Tokens, age: Stopwatch, isLogin: boolean): Promise<void> {
    take(tokens, age);
    const signal = state.signal();
    const { session } = state;
    // Who was told of the session may have ended it at once.
    if (session?.sid !== tokens.sid) return;
    // Neither the refresh token nor whatever else the server said.
    const { access_token, expires_in } = tokens;
    const sealed = await tabs?.seal({ access_token, expires_in: expires_in - age() / 1000, ...session });
    if (!signal.aborted) tabs?.tell({ session, isLogin, sealed });
  }

  function take(tokens: Tokens, age: Stopwatch): void {
    assertAlive();
    state.begin(sessionOf(tokens), 'restored');
    // The server has not heard yet that it has ended.
    state.session ??= null;
    if (state.session?.sid !== tokens.sid) return;
    state.token = { value: tokens.access_token, age, ...scheduleOf(tokens.expires_in * 1000) };
    settled();
  }

  return { get, refreshIfDue, accept, take };
}
