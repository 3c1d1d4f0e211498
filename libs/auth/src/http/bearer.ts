import { InvalidRequestError, InvalidTokenError } from '../core/errors.js';
import type { HttpRequest } from './http-request.js';

const BEARER = /^Bearer +([A-Za-z0-9\-._~+/]+=*) *$/i;
const SCHEME = /^Bearer(?: |$)/i;

/**
 * The access token of the Authorization header, the only place it is taken from.
 *
 * @throws {InvalidTokenError} none was sent: a bare challenge follows
 * @throws {InvalidRequestError} the scheme is Bearer and what follows is no token
 * @see RFC 6750 section 2.1
 */
export function readBearerToken({ headers }: HttpRequest): string {
  const { authorization } = headers;
  if (typeof authorization !== 'string' || !SCHEME.test(authorization))
    throw new InvalidTokenError('ERR_TOKEN_MISSING');
  const token = BEARER.exec(authorization)?.[1];
  if (!token) throw new InvalidRequestError('ERR_REQUEST_MALFORMED', 'The Authorization header is malformed');
  return token;
}

export function carriesBearerToken({ headers }: HttpRequest): boolean {
  return typeof headers.authorization === 'string' && SCHEME.test(headers.authorization);
}
