import { randomBytes } from 'node:crypto';
import { InvalidRequestError } from '../core/errors.js';
import type { HttpRequest } from '../access/http-request.js';

/** `__Host-`: set over TLS by this very host, for all of it, and out of reach of its siblings (RFC 6265bis 4.1.3). */
const COOKIE_NAME = '__Host-refresh_token';
const ATTRIBUTES = 'Path=/; HttpOnly; Secure; SameSite=Strict';
const KEY_BYTES = 16;
const KEY = /^[\w-]{22}$/;

export interface CookieToken {
  readonly token: string;
  readonly idempotencyKey: string | undefined;
}

/**
 * The refresh token of the cookie and the key that came with it; null without one.
 *
 * @throws {InvalidRequestError} two cookies of that name: one of them is somebody else's doing
 */
export function readCookie(request: HttpRequest): CookieToken | null {
  const values = valuesIn(request);
  if (values.length > 1) {
    throw new InvalidRequestError('ERR_TOKEN_SENT_TWICE', 'The refresh-token cookie was sent twice');
  }
  if (!values[0]) return null;
  const [token = '', key = ''] = values[0].split('.', 2);
  // A key that is none of ours must not refuse a good token at every refresh to come.
  return { token, idempotencyKey: KEY.test(key) ? key : undefined };
}

export function hasCookie(request: HttpRequest): boolean {
  return valuesIn(request).length > 0;
}

function valuesIn({ headers }: HttpRequest): string[] {
  return [headers['cookie'] ?? []]
    .flat()
    .flatMap((header) => header.split(';'))
    .map(withoutBlanks)
    .filter((pair) => pair.startsWith(`${COOKIE_NAME}=`))
    .map((pair) => pair.slice(COOKIE_NAME.length + 1));
}

/**
 * Spaces and tabs alone. Of all that `trim` removes, a no-break space is a letter to a browser: a sibling may set a cookie
 * whose name begins with one, as it has no prefix, and here it would have ours.
 */
function withoutBlanks(pair: string): string {
  let start = 0;
  let end = pair.length;
  while (isBlank(pair[start])) start++;
  while (end > start && isBlank(pair[end - 1])) end--;
  return pair.slice(start, end);
}

function isBlank(character: string | undefined): boolean {
  return character === ' ' || character === '\t';
}

/**
 * A Set-Cookie value that keeps `token` and the Idempotency-Key of its refresh, so that a browser survives a lost
 * answer without any script.
 *
 * The key is fresh and random, or a copied cookie would work for ever; except where the answer is the very token
 * that was presented: it keeps its key, or a late answer could part the two.
 *
 * @param maxAge seconds
 */
export function writeCookie(token: string, maxAge: number, presented?: CookieToken): string {
  const kept = presented?.token === token ? presented.idempotencyKey : undefined;
  const key = kept ?? randomBytes(KEY_BYTES).toString('base64url');
  return `${COOKIE_NAME}=${token}.${key}; Max-Age=${maxAge}; ${ATTRIBUTES}`;
}

export const CLEARED_COOKIE = `${COOKIE_NAME}=; Max-Age=0; ${ATTRIBUTES}`;
