import { authServer } from './auth-server.js';
import { authorizedFetch } from './authorized-fetch.js';
import { disposed, type TokenClientError } from './errors.js';
import { runAlone } from './lock.js';
import { createLogout } from './logout.js';
import { resolveOptions, type TokenClientOptions } from './options.js';
import { createPause } from './pause.js';
import { createRefreshTokens } from './refresh-token.js';
import { createRefresher, type Refresher, type Wish } from './refresher.js';
import { createSchedule, type Schedule } from './schedule.js';
import { createSessionState } from './session-state.js';
import { sessionOf, type Session, type SessionChange } from './session.js';
import { startStopwatch } from './stopwatch.js';
import { joinTabs, type News } from './tabs.js';
import { isTokenResponse, type TokenResponse, type Tokens } from './token-response.js';
import { waitFor } from './wait.js';

/** One session, kept for as long as the server lets it live. */
export interface TokenClient {
  /** What is known now; undefined until something has asked. */
  readonly session: Session | null | undefined;

  /**
   * Finds out whether somebody is logged in. With the cookie carrier the first call takes a refresh.
   *
   * @throws {TokenClientError} `ERR_UNAVAILABLE`, `ERR_REFUSED`, `ERR_STORAGE`, `ERR_DISPOSED`: it cannot be known
   */
  getSession(): Promise<Session | null>;

  /**
   * Takes over the answer of a login. A session that was there is replaced, in every tab.
   *
   * Resolves when the refresh token is stored. Whoever is told, is told after that.
   *
   * @param response the body, as JSON
   * @throws {TypeError} it is no token response, or its refresh token is not where `storage` says
   * @throws {TokenClientError} `ERR_DISPOSED`
   */
  setTokens(response: TokenResponse): Promise<void>;

  /**
   * An access token that can be used now: the one there is, or, when it has expired, another.
   *
   * While one is due but the present one is good, that is returned at once. Requests that ask together wait for one
   * refresh, and so do the tabs of a browser.
   *
   * @param wish `refused`: a token that a resource server has answered with 401; another one is fetched, unless that was itself
   * fetched for this reason a moment ago. `signal`: ends the wait
   * @throws {TokenClientError} `ERR_NO_SESSION`, `ERR_UNAVAILABLE`, `ERR_REFUSED`, `ERR_STORAGE`, `ERR_DISPOSED`
   * @throws what `signal` was aborted with
   */
  getAccessToken(wish?: { refused?: string | undefined; signal?: AbortSignal | undefined }): Promise<string>;

  /**
   * As the platform's `fetch`, with the access token. After a 401 the token is refreshed once, and the request
   * repeated once, if it can be.
   *
   * A request that names its own `Authorization` goes as it is.
   *
   * @param input relative to `baseUrl`
   * @returns the last answer, whatever its status
   * @throws {TypeError} as `fetch` does, or the address is of an origin that must not see the token
   * @throws {TokenClientError} as `getAccessToken`; nothing was sent
   */
  fetch(this: void, input: Parameters<typeof fetch>[0], init?: RequestInit): Promise<Response>;

  /**
   * Ends the session: here at once, in the other tabs with the next message, at the server when it has heard.
   *
   * @throws {TokenClientError} `ERR_UNAVAILABLE`: the server has not heard yet. It is told again and again if it is known which
   * session, with the cookie carrier also by the next page; here the session is over. `ERR_REFUSED`: it does not
   * understand. `ERR_STORAGE`, `ERR_DISPOSED`: nothing was done
   */
  logout(): Promise<void>;

  /**
   * Calls `listener` with every change of the session, after it has been stored; for a refresh there is no call.
   *
   * @returns ends it
   */
  onSessionChange(listener: (change: SessionChange) => void): () => void;

  /** Stops timers, listeners and what is under way. The session goes on: another client finds it. */
  dispose(): void;
}

/**
 * Makes a client for the server at `baseUrl`. Nothing is asked of the server until something is asked of the client.
 *
 * @throws {TypeError} an option is wrong
 */
export function createTokenClient(options: TokenClientOptions): TokenClient {
  const resolved = resolveOptions(options);
  const { storage, name, timeout, patience } = resolved;
  const isShared = storage?.isShared !== false;
  const state = createSessionState();
  const pause = createPause();
  const server = authServer(resolved);
  const refreshTokens = storage && createRefreshTokens(storage);
  const logout = createLogout(server, patience, storage ? null : name);
  const tabs = isShared ? joinTabs(name, hear) : null;
  const refresher: Refresher = createRefresher({
    state,
    server,
    tabs,
    pause,
    refreshTokens,
    patience,
    lock,
    assertAlive,
    settled: () => schedule.arm(),
  });
  const schedule: Schedule = createSchedule(state, refresher, pause);
  let isDisposed = false;
  let storing: Promise<void> | null = null;

  async function lock<T>(task: () => Promise<T>): Promise<T> {
    if (storage?.lock) return storage.lock(task, timeout);
    return isShared ? runAlone(name, task, timeout) : task();
  }

  function assertAlive(): void {
    if (isDisposed) throw disposed();
  }

  /** What the storage says of the session, where this tab does not know of one. */
  async function discover(): Promise<void> {
    assertAlive();
    await storing;
    if (!refreshTokens || state.session) return;
    const signal = state.signal();
    const stored = await refreshTokens.read();
    assertAlive();
    if (signal.aborted || state.session) return;
    if (stored) state.begin(stored.session, 'restored');
    state.session ??= null;
  }

  /** A storage that does not answer, a key chain that asks, must not hang who needs a token. */
  function known(signal?: AbortSignal): Promise<void> {
    return waitFor(discover(), patience, signal);
  }

  async function hear({ session, isLogin, ended }: News, tokens: Tokens | undefined): Promise<void> {
    const age = startStopwatch();
    const { sid } = session;
    const isOurs = state.session?.sid === sid;
    if (ended) {
      if (isOurs) state.end(ended);
      // What is told of it may be heard later: it is opened first.
      state.endedSid = sid;
      // This tab may have been storing a token of it.
      await refreshTokens?.remove(sid);
      return;
    }
    await storing;
    // The refresh of an earlier session may be told of after the login that has replaced it.
    if (!isOurs && !isLogin && state.session) return;
    const stored = await refreshTokens?.read();
    assertAlive();
    if (refreshTokens && stored?.session.sid !== sid) return;
    state.begin(session, 'login');
    if (tokens && tokens.access_token !== state.refused) refresher.take(tokens, age);
  }

  async function getAccessToken(wish: Wish = {}): Promise<string> {
    await known(wish.signal);
    return refresher.get(wish);
  }

  // An earlier page was logged out without the server's knowing, and the cookie is still there.
  const unfinished = logout.unfinished();
  if (unfinished !== null) {
    state.session = null;
    state.endedSid = unfinished || undefined;
    const told = (kind: string): void => {
      // The cookie is of a login since.
      if (kind === 'session_mismatch' && state.session === null) state.forget();
    };
    logout.send({ sid: state.endedSid }).then(told, () => {});
  }

  return {
    get session() {
      return state.session;
    },
    async getSession() {
      await known();
      if (state.session === undefined) {
        await getAccessToken().catch((error: TokenClientError) => {
          if (error.code !== 'ERR_NO_SESSION') throw error;
        });
      }
      return state.session ?? null;
    },
    async setTokens(response) {
      assertAlive();
      const refreshToken = response.refresh_token;
      if (!isTokenResponse(response) || !refreshToken !== !storage) {
        throw new TypeError(`setTokens takes a token response ${storage ? 'with' : 'without'} refresh_token`);
      }
      const age = startStopwatch();
      const session = sessionOf(response);
      logout.forget();
      state.forget();
      const signal = state.signal();
      // The refresh of another tab, of the session before, must not write over it.
      storing = refreshTokens && lock(() => refreshTokens.write(refreshToken!, session, signal));
      await storing;
      if (signal.aborted) return;
      pause.end();
      state.begin(session, 'login');
      await refresher.accept(response, age, true);
    },
    getAccessToken,
    fetch: (input, init) => authorizedFetch({ ...resolved, state, getAccessToken }, input, init),
    async logout() {
      assertAlive();
      // What is known is taken as it is now: a login that comes meanwhile is another session.
      if (storage && !state.session) await known();
      const { session, token } = state;
      // A cookie may be there all the same.
      if (storage && session === null) return;
      // First the others: who is told here may dispose of this client.
      if (session) tabs?.tell({ session, ended: 'logout' });
      state.end('logout');
      // Said twice, it means the same session; where none is known, that of the cookie.
      const sid = session === null ? state.endedSid : session?.sid;
      const refreshToken = refreshTokens && (await waitFor(refreshTokens.remove(sid!), patience));
      await logout.send({ refreshToken, sid, accessToken: token?.value });
    },
    onSessionChange(listener) {
      state.listeners.add(listener);
      return () => state.listeners.delete(listener);
    },
    dispose() {
      isDisposed = true;
      schedule.stop();
      logout.stop();
      tabs?.close();
      state.forget();
    },
  };
}
