import type { Wish } from './refresher.js';
import type { SessionState } from './session-state.js';

/** What `fetch` needs to know. */
export interface Authority {
  readonly base: URL;
  /** those that may see the access token */
  readonly origins: ReadonlySet<string>;
  readonly fetch: typeof fetch;
  readonly state: Pick<SessionState, 'session'>;
  getAccessToken(wish: Wish): Promise<string>;
}

type FetchInput = Parameters<typeof fetch>[0];

/** RFC 9110 section 9.2.2. */
const IDEMPOTENT = ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'];

/**
 * As `fetch`, with the access token; after a 401 once more, with another one.
 *
 * A request is repeated only if its body can be sent again, and if it did nothing yet: its method is idempotent, or the
 * challenge says that the token was refused before anything else was looked at.
 */
export async function authorizedFetch(
  authority: Authority,
  input: FetchInput,
  init: RequestInit | undefined,
): Promise<Response> {
  const request = new Request(input instanceof Request ? input : new URL(input, authority.base), init);
  if (request.headers.has('authorization')) return authority.fetch(request);
  const { origin } = new URL(request.url);
  if (!authority.origins.has(origin)) throw new TypeError(`${origin} may not see the access token`);
  const { signal } = request;
  const spare = init?.body instanceof ReadableStream ? null : request.clone();
  const token = await authority.getAccessToken({ signal });
  const { session } = authority.state;
  const answer = await send(authority, request, token);
  if (answer.status !== 401) return answer;
  const next = await authority.getAccessToken({ refused: token, signal }).catch(() => token);
  // What one user has asked for is not repeated in the name of another.
  const isSame = session === authority.state.session;
  if (next === token || !isSame || !spare || !didNothing(request, answer)) return answer;
  await answer.body?.cancel();
  return send(authority, spare, next);
}

function send({ fetch: plain }: Authority, request: Request, token: string): Promise<Response> {
  request.headers.set('authorization', `Bearer ${token}`);
  return plain(request);
}

/** @see RFC 6750 section 3.1: with `invalid_token` the request was refused for its token */
function didNothing({ method }: Request, { headers }: Response): boolean {
  return (
    IDEMPOTENT.includes(method) || /\berror="?invalid_token\b/.test(headers.get('www-authenticate') ?? '')
  );
}
