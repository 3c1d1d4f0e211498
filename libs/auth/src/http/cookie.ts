import { randomBytes } from 'node:crypto';
import { InvalidRequestError } from '../core/errors.js';
import type { HttpRequest } from './http-request.js';

/** `__Host-`: set over TLS by this very host, for all of it, and out of reach of its siblings (RFC 6265bis 4.1.3). */
export const COOKIE_NAME = '__Host-refresh_token';
const ATTRIBUTES = 'Path=/; HttpOnly; Secure; SameSite=Strict';
const KEY_BYTES = 16;

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
  const [token = '', idempotencyKey] = values[0].split('.', 2);
  return { token, idempotencyKey };
}

/**
 * A Set-Cookie value that keeps `token` and a fresh random key: the Idempotency-Key of the next refresh, so that
 * a browser survives a lost answer without any script. Fresh every time, or a copied cookie would work for ever.
 *
 * @param maxAge seconds
 */
export function writeCookie(token: string, maxAge: number): string {
  return `${COOKIE_NAME}=${token}.${randomBytes(KEY_BYTES).toString('base64url')}; Max-Age=${maxAge}; ${ATTRIBUTES}`;
}

export const CLEARED_COOKIE = `${COOKIE_NAME}=; Max-Age=0; ${ATTRIBUTES}`;
