import { mayBeAlive, scheduleOf } from './access-token.js';
import type { AuthServer } from './auth-server.js';
import { TokenClientError } from './errors.js';
import { firstOf } from './first-of.js';
import { now, since, type Instant } from './instant.js';
import type { Pause } from './pause.js';
import type { RefreshTokens } from './refresh-token.js';
import type { SessionState } from './session-state.js';
import type { SessionChange } from './session.js';
import type { Tabs } from './tabs.js';
import type { Tokens } from './token-response.js';

/** What a refresher works with. Durations in milliseconds. */
export interface Parts {
  readonly state: SessionState;
  readonly server: AuthServer;
  readonly tabs: Tabs;
  readonly pause: Pause;
  /** null: the server keeps the refresh token in a cookie */
  readonly refreshTokens: RefreshTokens | null;
  readonly patience: number;
  /** Runs a task while no other tab runs one. */
  lock<T>(task: () => Promise<T>): Promise<T>;
  /** Called when an attempt is over. */
  settled(): void;
}

export interface Wish {
  /** an access token that a resource server has refused: another one is wanted */
  readonly refused?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Milliseconds for another tab to hand over the access token it has told of, or may have. */
const PATIENCE_WITH_TABS = { told: 1_000, unknown: 50 };
/** Milliseconds for which a token that was fetched in place of a refused one, and is refused as well, is all there is. */
const COOL_DOWN = 30_000;

/**
 * Gets access tokens: one attempt at a time in this tab, and one at a time among all tabs.
 *
 * Nothing but a definite answer ends the session. Whatever is lost, late or busy is tried again, with the same refresh
 * token and the same key, so that the server gives the same answer.
 */
export class Refresher {
  #attempt: { readonly signal: AbortSignal; readonly done: Promise<TokenClientError | undefined> } | null =
    null;
  /** whether another tab has an access token that this one has not */
  #elsewhere: keyof typeof PATIENCE_WITH_TABS | null = 'unknown';

  constructor(private readonly parts: Parts) {}

  /** @throws {TokenClientError} there is no session any more, the server is out of reach, or it does not understand */
  async get({ refused, signal: callers }: Wish): Promise<string> {
    const { state, pause, patience } = this.parts;
    const { signal } = state;
    const begin = performance.now();
    if (refused !== undefined && state.token?.value === refused) {
      if (isRefusedAgain(state)) return refused;
      state.refused = refused;
    }
    for (;;) {
      callers?.throwIfAborted();
      if (signal.aborted || state.session === null) throw noSession();
      const { token, usable } = state;
      if (usable) {
        this.refreshIfDue();
        return usable.value;
      }
      const left = patience - (performance.now() - begin);
      if (left <= pause.remaining) return this.#lastResort();
      const error = await firstOf(pause.remaining > 0 ? null : this.#attemptOnce(), pause.remaining || left, [
        signal,
        callers,
      ]);
      if (error) throw error;
      // However short it lives, or however long it was on its way: no other one would be better.
      if (!signal.aborted && state.token && state.token !== token) return state.token.value;
    }
  }

  /** Refreshes ahead of need: nobody waits for it, so that nobody is troubled if it fails. */
  refreshIfDue(): void {
    const { state, pause } = this.parts;
    if (state.token && !state.isFresh && pause.remaining === 0) void this.#attemptOnce();
  }

  /** Another tab has a fresh access token. */
  heardOf(sid: string): void {
    if (this.parts.state.session?.sid === sid) this.#elsewhere = 'told';
  }

  accept(tokens: Tokens, askedAt: Instant, isOwn: boolean): void {
    const { state } = this.parts;
    const session = sessionOf(tokens);
    state.begin(session, 'restored');
    state.token = {
      value: tokens.access_token,
      session,
      askedAt,
      ...scheduleOf(tokens.expires_in * 1000),
      isOwn,
      isReplacement: state.refused !== undefined && state.refused === state.token?.value,
    };
  }

  /** What can be handed over to another tab that asks. */
  offer(sid: string | undefined): Tokens | null {
    const { state } = this.parts;
    const { token } = state;
    if (!token?.isOwn || !state.isFresh || (sid ?? token.session.sid) !== token.session.sid) return null;
    const expiresIn = (token.lifetime - since(token.askedAt)) / 1000;
    return { access_token: token.value, expires_in: expiresIn, ...token.session };
  }

  #attemptOnce(): Promise<TokenClientError | undefined> {
    const { state, lock, settled } = this.parts;
    const { signal } = state;
    if (this.#attempt?.signal !== signal) {
      const done = lock(async () => {
        if (signal.aborted || (await this.#adopt(signal))) return undefined;
        return this.#refresh(signal);
      }).finally(() => {
        if (this.#attempt?.signal === signal) this.#attempt = null;
        settled();
      });
      this.#attempt = { signal, done };
    }
    return this.#attempt.done;
  }

  /** @returns whether another tab has handed over its access token */
  async #adopt(signal: AbortSignal): Promise<boolean> {
    const { state, tabs } = this.parts;
    const elsewhere = this.#elsewhere;
    this.#elsewhere = null;
    if (!elsewhere || !tabs.canAsk) return false;
    const askedAt = now();
    const tokens = await tabs.ask(state.session?.sid, PATIENCE_WITH_TABS[elsewhere]).catch(() => null);
    if (signal.aborted) return true;
    if (!tokens || tokens.access_token === state.refused) return false;
    this.accept(tokens, askedAt, false);
    return true;
  }

  /** One request. What it cannot decide is left to the next one. */
  async #refresh(signal: AbortSignal): Promise<TokenClientError | undefined> {
    const { state, server, tabs, pause, refreshTokens } = this.parts;
    const refreshToken = refreshTokens ? await refreshTokens.read() : undefined;
    if (signal.aborted) return undefined;
    if (refreshToken === null) return this.#end('logout');
    if (refreshToken) state.begin(refreshToken.session, 'restored');
    if (signal.aborted) return undefined;
    const askedAt = now();
    const answer = await server.refresh({ refreshToken, sid: state.session?.sid }, signal);
    if (signal.aborted) return undefined;
    switch (answer.kind) {
      case 'tokens': {
        const { tokens } = answer;
        await refreshTokens?.write(tokens.refresh_token!, sessionOf(tokens), signal);
        if (signal.aborted) return undefined;
        pause.end();
        this.accept(tokens, askedAt, true);
        tabs.refreshed(tokens.sid);
        return undefined;
      }
      case 'invalid_grant':
        // Another tab may have been faster: then it was not the last word.
        if (refreshToken && (await refreshTokens?.read())?.token !== refreshToken.token) return undefined;
        return signal.aborted ? undefined : this.#end('invalid_grant');
      case 'session_mismatch':
        // The cookie is another login's. Whoever was logged in here is told, before anything is done in the other's name.
        this.#end('replaced');
        state.forget();
        return undefined;
      case 'key_reused':
        if (refreshToken) await refreshTokens!.renewKey(refreshToken, signal);
        pause.extend();
        return undefined;
      case 'unavailable':
        pause.extend((answer.retryAfter ?? 0) * 1000);
        return undefined;
      case 'refused':
        pause.extend();
        return new TokenClientError('ERR_REFUSED', `The refresh was refused with status ${answer.status}`);
    }
  }

  #end(reason: SessionChange['reason']): undefined {
    const { state, tabs, refreshTokens } = this.parts;
    const { session } = state;
    state.end(reason);
    if (!session || reason === 'replaced') return;
    void refreshTokens?.remove(session.sid);
    tabs.ended(session.sid, reason);
  }

  /** By the monotonic clock it may be alive: better than nothing, were it only the device's clock that was set forward. */
  #lastResort(): string {
    const { state, pause } = this.parts;
    const { token } = state;
    if (token && token.value !== state.refused && mayBeAlive(token)) return token.value;
    const message = 'The server cannot be reached; the session goes on';
    throw new TokenClientError('ERR_UNAVAILABLE', message, Math.ceil(pause.remaining / 1000));
  }
}

/** Whether its predecessor was refused as well, a moment ago: another one would be refused, too. */
function isRefusedAgain({ token }: SessionState): boolean {
  return token !== null && token.isReplacement && since(token.askedAt) < COOL_DOWN;
}

export function sessionOf({ sid, scope }: Tokens): { sid: string; scope?: string } {
  return { sid, ...(scope !== undefined && { scope }) };
}

export function noSession(): TokenClientError {
  return new TokenClientError('ERR_NO_SESSION', 'Nobody is logged in');
}
