import { AuthServer } from './auth-server.js';
import { authorizedFetch } from './authorized-fetch.js';
import { TokenClientError } from './errors.js';
import { now } from './instant.js';
import { runAlone } from './lock.js';
import { Logout } from './logout.js';
import { resolveOptions, type ResolvedOptions, type TokenClientOptions } from './options.js';
import { Pause } from './pause.js';
import { RefreshTokens } from './refresh-token.js';
import { Refresher, sessionOf, type Wish } from './refresher.js';
import { Schedule } from './schedule.js';
import { SessionState } from './session-state.js';
import type { Session, SessionChange } from './session.js';
import { Tabs } from './tabs.js';
import { isTokenResponse, type TokenResponse } from './token-response.js';

/** One session, kept for as long as the server lets it live. */
export interface TokenClient {
  /** What is known now; undefined until something has asked. */
  readonly session: Session | null | undefined;

  /**
   * Finds out whether somebody is logged in. With the cookie carrier, and no other tab to ask, this takes a refresh.
   *
   * @throws {TokenClientError} `ERR_UNAVAILABLE`, `ERR_REFUSED`, `ERR_DISPOSED`: it cannot be known
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
   * @throws {TokenClientError} `ERR_NO_SESSION`, `ERR_UNAVAILABLE`, `ERR_REFUSED`, `ERR_DISPOSED`
   */
  getAccessToken(wish?: { refused?: string; signal?: AbortSignal }): Promise<string>;

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
   * @throws {TokenClientError} `ERR_UNAVAILABLE`: the server has not heard yet. It is told again and again, with the cookie carrier
   * also by the next page; here the session is over. `ERR_REFUSED`: it does not understand
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
  return new Client(resolveOptions(options));
}

class Client implements TokenClient {
  readonly #state = new SessionState();
  readonly #pause = new Pause();
  readonly #refreshTokens: RefreshTokens | null;
  readonly #tabs: Tabs;
  readonly #refresher: Refresher;
  readonly #schedule: Schedule;
  readonly #logout: Logout;
  #storing: Promise<void> = Promise.resolve();
  #isDisposed = false;

  constructor(private readonly options: ResolvedOptions) {
    const { storage, name, timeout, patience } = options;
    const state = this.#state;
    const server = new AuthServer(options);
    const isShared = storage?.isShared !== false;
    this.#refreshTokens = storage && new RefreshTokens(storage);
    this.#tabs = new Tabs(isShared ? name : null, {
      login: (session) => void this.#heardOfLogin(session),
      refreshed: (sid) => this.#refresher.heardOf(sid),
      ended: (sid, reason) => this.#heardOfEnd(sid, reason),
      offer: (sid) => this.#refresher.offer(sid),
    });
    this.#refresher = new Refresher({
      state,
      server,
      tabs: this.#tabs,
      pause: this.#pause,
      refreshTokens: this.#refreshTokens,
      patience,
      lock: (task) => {
        if (storage?.lock) return storage.lock(task, timeout);
        return isShared ? runAlone(name, task, timeout) : task();
      },
      settled: () => this.#schedule.arm(),
    });
    this.#schedule = new Schedule(state, this.#refresher, this.#pause);
    this.#logout = new Logout(server, patience, storage ? null : name);
    this.#finishLogout();
  }

  get session(): Session | null | undefined {
    return this.#state.session;
  }

  async getSession(): Promise<Session | null> {
    await this.#discover();
    if (this.#state.session === undefined) {
      await this.#refresher.get({}).catch((error: TokenClientError) => {
        if (error.code !== 'ERR_NO_SESSION') throw error;
      });
    }
    return this.#state.session ?? null;
  }

  async setTokens(response: TokenResponse): Promise<void> {
    this.#assertAlive();
    if (!isTokenResponse(response)) throw new TypeError('setTokens takes the body of a token response');
    const { refresh_token: refreshToken } = response;
    if ((refreshToken !== undefined) !== (this.#refreshTokens !== null)) {
      throw new TypeError(
        refreshToken === undefined
          ? 'The login kept the refresh token in a cookie: leave X-Token-Carrier out, or choose the storage "cookie"'
          : 'The login answered with the refresh token: send X-Token-Carrier: cookie with it, or choose another storage',
      );
    }
    const askedAt = now();
    const session = sessionOf(response);
    this.#logout.forget();
    this.#state.forget();
    const { signal } = this.#state;
    this.#storing = this.#refreshTokens?.write(refreshToken!, session, signal) ?? this.#storing;
    await this.#storing;
    if (signal.aborted) return;
    this.#pause.end();
    this.#state.begin(session, 'login');
    this.#refresher.accept(response, askedAt, true);
    this.#tabs.login(session);
    this.#schedule.arm();
  }

  async getAccessToken(wish: Wish = {}): Promise<string> {
    await this.#discover();
    return this.#refresher.get(wish);
  }

  readonly fetch: TokenClient['fetch'] = (input, init) => {
    const { base, origins, fetch: plain } = this.options;
    const getAccessToken = (wish: Wish): Promise<string> => this.getAccessToken(wish);
    return authorizedFetch({ base, origins, fetch: plain, getAccessToken }, input, init);
  };

  async logout(): Promise<void> {
    this.#assertAlive();
    if (this.#refreshTokens && this.#state.session === undefined) await this.#discover();
    const { session, token } = this.#state;
    this.#state.end('logout');
    if (session) this.#tabs.ended(session.sid, 'logout');
    const refreshToken = await this.#refreshTokens?.remove(session?.sid);
    // With neither a cookie nor a token there is nothing the server could end.
    if (this.#refreshTokens && !refreshToken && !token) return;
    await this.#logout.send({ refreshToken: refreshToken ?? undefined, sid: session?.sid }, token?.value);
  }

  onSessionChange(listener: (change: SessionChange) => void): () => void {
    return this.#state.onChange(listener);
  }

  dispose(): void {
    this.#isDisposed = true;
    this.#schedule.stop();
    this.#logout.stop();
    this.#tabs.close();
    this.#state.forget();
  }

  /** What the storage says of the session, where this tab does not know of one. */
  async #discover(): Promise<void> {
    this.#assertAlive();
    const state = this.#state;
    await this.#storing;
    if (!this.#refreshTokens || state.session) return;
    const { signal } = state;
    const stored = await this.#refreshTokens.read();
    this.#assertAlive();
    if (signal.aborted || state.session) return;
    if (stored && stored.session.sid !== state.endedSid) state.begin(stored.session, 'restored');
    else state.session = null;
  }

  async #heardOfLogin(session: Session): Promise<void> {
    const stored = await this.#refreshTokens?.read();
    if (this.#isDisposed || (this.#refreshTokens && stored?.session.sid !== session.sid)) return;
    this.#state.begin(session, 'login');
    this.#refresher.heardOf(session.sid);
  }

  #heardOfEnd(sid: string, reason: SessionChange['reason']): void {
    if (this.#state.session?.sid !== sid) return;
    this.#state.end(reason);
    // This tab may have been storing a token of it.
    void this.#refreshTokens?.remove(sid);
  }

  /** An earlier page was logged out without the server's knowing, and the cookie is still there. */
  #finishLogout(): void {
    const { unfinished } = this.#logout;
    if (unfinished === null) return;
    this.#state.end('logout');
    this.#logout.send({ sid: unfinished || undefined }).catch(() => {});
  }

  #assertAlive(): void {
    if (this.#isDisposed) throw new TokenClientError('ERR_DISPOSED', 'The client was disposed');
  }
}
