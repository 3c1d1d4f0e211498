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
export function readCookie({ headers }: HttpRequest): CookieToken | null {
  const values = [headers['cookie'] ?? []]
    .flat()
    .flatMap((header) => header.split(';'))
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${COOKIE_NAME}=`))
    .map((pair) => pair.slice(COOKIE_NAME.length + 1));
  if (values.length > 1) {
    throw new InvalidRequestError('ERR_TOKEN_SENT_TWICE', 'The refresh-token cookie was sent twice');
  }
  if (!values[0]) return null;
  const [token = '', key = ''] = values[0].split('.', 2);
  // A key that is none of ours must not refuse a good token at every refresh to come.
  return { token, idempotencyKey: KEY.test(key) ? key : undefined };
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
