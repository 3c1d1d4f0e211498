import type { ResolvedOptions } from './options.js';
import type { RefreshToken } from './refresh-token.js';
import { isTokenResponse, type Tokens } from './token-response.js';
import { waitFor } from './wait.js';

/** What has come of a request that presents a refresh token. */
export type Answer =
  | { readonly kind: 'tokens'; readonly tokens: Tokens }
  /** this refresh token is of no use any more, or there is no cookie; of a logout: the session has ended */
  | { readonly kind: 'invalid_grant' }
  /** the key belongs to the token before */
  | { readonly kind: 'key_reused' }
  /** the cookie is that of another login */
  | { readonly kind: 'session_mismatch' }
  /** wrong in a way that a repeat does not mend */
  | { readonly kind: 'refused'; readonly status: number }
  /** lost, late, busy or no answer of ours: nobody knows what it did; `retryAfter` in milliseconds */
  | { readonly kind: 'unavailable'; readonly retryAfter?: number | undefined };

/** Which session is meant, and by what it is known. */
export interface Presented {
  /** undefined: the cookie */
  readonly refreshToken?: RefreshToken | null | undefined;
  readonly sid?: string | undefined;
  readonly accessToken?: string | undefined;
}

/** One request, bounded in time. It never rejects. */
export type AuthServer = (
  route: 'refresh' | 'logout',
  presented: Presented,
  signal?: AbortSignal,
) => Promise<Answer>;

/** The two routes of the server that take a refresh token. */
export function authServer({ storage, clientId, routes, timeout, fetch }: ResolvedOptions): AuthServer {
  return async (route, { refreshToken, sid, accessToken }, signal) => {
    const limit = new AbortController();
    const request = {
      method: 'POST',
      headers: {
        ...(!storage && { 'x-token-carrier': 'cookie' }),
        ...(refreshToken && { 'idempotency-key': refreshToken.key }),
        ...(accessToken && { authorization: `Bearer ${accessToken}` }),
        'content-type': 'application/json',
      },
      body: JSON.stringify({ refresh_token: refreshToken?.token, sid, client_id: clientId }),
      credentials: storage ? 'same-origin' : 'include',
      // A token must not be sent on to wherever somebody points.
      redirect: 'error',
      // It arrives, and its cookie is kept, when the page is left meanwhile.
      keepalive: true,
      signal: limit.signal,
    } as const;
    try {
      const asked = fetch(new URL(route, routes), request).then((response) => {
        const { status } = response;
        // With the cookie, 401 says that there is nothing left to end.
        const isOver = route === 'logout' && (status === 204 || (status === 401 && !storage));
        return isOver ? ENDED : read(response, !storage);
      });
      return (await waitFor(asked, timeout, signal)) ?? UNAVAILABLE;
    } catch {
      return UNAVAILABLE;
    } finally {
      limit.abort();
    }
  };
}

const UNAVAILABLE: Answer = { kind: 'unavailable' };
const ENDED: Answer = { kind: 'invalid_grant' };

const DEFINITE = ['400 invalid_grant', '409 session_mismatch', '422 key_reused'];

/** Only words of our own server end anything: a status alone may come from whatever stands between. */
async function read(response: Response, isInCookie: boolean): Promise<Answer> {
  const { status } = response;
  const body: unknown = await response.json().catch(() => null);
  if (status === 200 && isTokenResponse(body) && !body.refresh_token === isInCookie) {
    return { kind: 'tokens', tokens: body };
  }
  const { error, error_description: text } = Object(body) as Record<string, unknown>;
  const said = `${status} ${error as string}`;
  // Said where the cookie is asked for, and none was sent. The word alone is everybody's.
  if (isInCookie && said === '401 unauthorized' && text === 'No token was sent') return ENDED;
  if (DEFINITE.includes(said)) return { kind: error as 'invalid_grant' };
  const isLater = status < 300 || status >= 500 || [408, 425, 429].includes(status);
  return isLater ? { kind: 'unavailable', retryAfter: retryAfterOf(response) } : { kind: 'refused', status };
}

/** An hour, in milliseconds: a proxy that errs must not end a session. */
const LONGEST = 3_600_000;

/** Milliseconds. A date is not believed: this device's clock may be wrong. RFC 9110 section 10.2.3. */
function retryAfterOf({ headers }: Response): number | undefined {
  const milliseconds = Number(headers.get('retry-after')) * 1000;
  return milliseconds > 0 ? Math.min(milliseconds, LONGEST) : undefined;
}
