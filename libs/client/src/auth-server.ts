import type { ResolvedOptions } from './options.js';
import { later } from './platform.js';
import { retryAfterOf } from './retry-after.js';
import type { RefreshToken } from './refresh-token.js';
import { isTokenResponse, type Tokens } from './token-response.js';

/** What an attempt to refresh has come to. */
export type Answer =
  | { readonly kind: 'tokens'; readonly tokens: Tokens }
  /** definite: this refresh token is of no use any more */
  | { readonly kind: 'invalid_grant' }
  /** the key belongs to the token before */
  | { readonly kind: 'key_reused' }
  /** the cookie is that of another login */
  | { readonly kind: 'session_mismatch' }
  /** wrong in a way that a repeat does not mend */
  | { readonly kind: 'refused'; readonly status: number }
  /** lost, late, busy or no answer of ours: nobody knows whether it was spent */
  | { readonly kind: 'unavailable'; readonly retryAfter?: number | undefined };

/** Which session is meant, and by what it is known; no refresh token where the cookie holds it. */
export interface Presented {
  readonly refreshToken?: RefreshToken | undefined;
  readonly sid?: string | undefined;
}

/** What the server says where the cookie is asked for, and none was sent. */
const NO_COOKIE = 'No token was sent';

/** The two routes of the server that take a refresh token. */
export class AuthServer {
  constructor(private readonly options: ResolvedOptions) {}

  /** Never rejects. */
  async refresh(presented: Presented, signal: AbortSignal): Promise<Answer> {
    try {
      return await this.#post('refresh', presented, {}, signal, (response) => this.#read(response));
    } catch {
      return { kind: 'unavailable' };
    }
  }

  /**
   * Ends a session, by the refresh token, the cookie or the access token.
   *
   * @returns whether the server has said so, or has nothing to end; else what `refresh` would make of the answer
   */
  async logout(
    presented: Presented,
    accessToken: string | undefined,
    signal: AbortSignal,
  ): Promise<Answer['kind']> {
    const bearer = accessToken === undefined ? {} : { authorization: `Bearer ${accessToken}` };
    try {
      return await this.#post('logout', presented, bearer, signal, async (response) => {
        if (response.ok) return 'invalid_grant';
        const { kind } = await this.#read(response);
        return kind;
      });
    } catch {
      return 'unavailable';
    }
  }

  /** The time-out covers the body, too: an answer may break off anywhere. */
  async #post<T>(
    route: string,
    { refreshToken, sid }: Presented,
    headers: Record<string, string>,
    signal: AbortSignal,
    read: (response: Response) => Promise<T>,
  ): Promise<T> {
    const { storage, clientId, routes, timeout } = this.options;
    const fields = JSON.stringify({ refresh_token: refreshToken?.token, sid, client_id: clientId });
    const limit = new AbortController();
    const abort = (): void => limit.abort();
    const stop = later(abort, timeout);
    signal.addEventListener('abort', abort);
    try {
      const response = await this.options.fetch(new URL(route, routes), {
        method: 'POST',
        headers: {
          ...headers,
          ...(storage ? {} : { 'x-token-carrier': 'cookie' }),
          ...(refreshToken && { 'idempotency-key': refreshToken.key }),
          // Fastify refuses an empty body that says it is JSON.
          ...(fields !== '{}' && { 'content-type': 'application/json' }),
        },
        ...(fields !== '{}' && { body: fields }),
        credentials: storage ? 'same-origin' : 'include',
        ...({ cache: 'no-store' } as RequestInit),
        // A token must not be sent on to wherever somebody points.
        redirect: 'error',
        // It arrives, and its cookie is kept, when the page is left meanwhile.
        keepalive: true,
        signal: limit.signal,
      });
      return await read(response);
    } finally {
      stop();
      signal.removeEventListener('abort', abort);
    }
  }

  /** Only words of our own server end anything: a status alone may come from whatever stands between. */
  async #read(response: Response): Promise<Answer> {
    const { status } = response;
    const body: unknown = await response.json().catch(() => null);
    if (status === 200) {
      const isWhole =
        isTokenResponse(body) && (body.refresh_token !== undefined) === (this.options.storage !== null);
      return isWhole ? { kind: 'tokens', tokens: body } : { kind: 'unavailable' };
    }
    const { error, error_description } = Object(body) as Record<string, unknown>;
    const says = (expected: number, word: string): boolean => status === expected && error === word;
    if (says(400, 'invalid_grant')) return { kind: 'invalid_grant' };
    // There is no cookie any more, so nobody is logged in. The word alone is everybody's.
    if (says(401, 'unauthorized') && error_description === NO_COOKIE) return { kind: 'invalid_grant' };
    if (says(422, 'key_reused')) return { kind: 'key_reused' };
    if (says(409, 'session_mismatch')) return { kind: 'session_mismatch' };
    if (status >= 500 || status === 408 || status === 425 || status === 429 || response.ok) {
      return { kind: 'unavailable', retryAfter: retryAfterOf(response) };
    }
    return { kind: 'refused', status };
  }
}
