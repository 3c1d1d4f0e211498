import { InvalidCredentialsError, InvalidTokenError } from '../core/errors.js';
import type { HttpRequest } from './http-request.js';

const SCHEME = /^Bearer(?: |$)/i;
const PREFIX = /^Bearer /i;
/** What is in no token68 but at its end. Asked so, and not `^[…]+$`, which would remember each of millions of letters. */
const FOREIGN = /[^A-Za-z0-9\-._~+/]/;

/**
 * The credentials of the Authorization header, the only place an access token is taken from; null where the scheme is
 * not Bearer.
 *
 * Not yet true at this point: that there is a token in them, see `assertWellFormed`.
 *
 * @throws {InvalidCredentialsError} a token was sent twice, whichever way: two parties could each believe another one
 * @see RFC 6750 section 2
 */
export function readCredentials(request: HttpRequest): string | null {
  const { authorization } = request.headers;
  if (typeof authorization !== 'string') return null;
  const isBearer = usesBearer(authorization);
  if (isBearer ? isSentTwice(request) : hasMoreHeaders(request)) {
    throw new InvalidCredentialsError('ERR_TOKEN_SENT_TWICE', 'The access token was sent more than once');
  }
  return isBearer ? authorization : null;
}

/** What follows the scheme in credentials: not yet known to be a token. */
export function tokenIn(credentials: string): string {
  return credentials.slice('Bearer '.length);
}

/** @throws {InvalidCredentialsError} no credentials of RFC 6750 section 2.1 */
export function assertWellFormed(credentials: string): void {
  if (!PREFIX.test(credentials) || !isToken68(tokenIn(credentials))) {
    throw new InvalidCredentialsError('ERR_REQUEST_MALFORMED', 'The Authorization header is malformed');
  }
}

/** RFC 9110 section 11.2. In linear time and constant space, however long it is. */
function isToken68(text: string): boolean {
  let end = text.length;
  while (text[end - 1] === '=') end--;
  return end > 0 && !FOREIGN.test(text.slice(0, end));
}

/** Credentials with a token that came by another way than a header. */
export function credentialsWith(token: string): string {
  return `Bearer ${token}`;
}

/**
 * The access token of a request that must have one.
 *
 * @throws {InvalidTokenError} none was sent
 * @throws {InvalidCredentialsError} malformed, or sent twice
 */
export function readBearerToken(request: HttpRequest): string {
  const credentials = readCredentials(request);
  if (credentials === null) throw new InvalidTokenError('ERR_TOKEN_MISSING');
  assertWellFormed(credentials);
  return tokenIn(credentials);
}

export function carriesBearerToken({ headers }: Pick<HttpRequest, 'headers'>): boolean {
  return typeof headers.authorization === 'string' && usesBearer(headers.authorization);
}

/** The scheme in its usual spelling is recognised at once, in any other it costs a regular expression. */
function usesBearer(authorization: string): boolean {
  return authorization.startsWith('Bearer ') || SCHEME.test(authorization);
}

function isSentTwice(request: HttpRequest): boolean {
  return hasMoreHeaders(request) || isInQuery(request.url) || isInForm(request);
}

/** Node keeps the first of two Authorization headers, whatever its scheme, and a proxy may have read the second. */
export function hasMoreHeaders(request: HttpRequest): boolean {
  const rawHeaders = request.rawHeaders ?? request.raw?.rawHeaders;
  return rawHeaders !== undefined && countAuthorization(rawHeaders) > 1;
}

function countAuthorization(rawHeaders: readonly string[]): number {
  let count = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]!;
    if (name.length === 13 && name.toLowerCase() === 'authorization') count++;
  }
  return count;
}

/** Most addresses have no query, and most queries neither the name nor an escape that it could hide in. */
function isInQuery(url: string | undefined): boolean {
  const query = url === undefined ? -1 : url.indexOf('?');
  if (query === -1 || !(url!.includes('access_token', query) || url!.includes('%', query))) return false;
  return new URLSearchParams(url!.slice(query)).has('access_token');
}

/** In JSON the name is the application's to use: RFC 6750 section 2.2 knows forms alone. */
function isInForm({ headers, body }: HttpRequest): boolean {
  return (
    typeof body === 'object' &&
    body !== null &&
    'access_token' in body &&
    String(headers['content-type']).toLowerCase().startsWith('application/x-www-form-urlencoded')
  );
}
