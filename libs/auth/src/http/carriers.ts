import { InvalidRequestError, InvalidTokenError } from '../core/errors.js';
import type { CarrierPolicy, ResolvedOptions } from '../core/options.js';
import { hasCookie, readCookie } from './cookie.js';
import { JSON_OR_FORM, malformed, readFields, textOf, type Fields } from './request-body.js';
import { assertSameOrigin } from './same-origin.js';
import type { HttpRequest } from '../access/http-request.js';

export type Carrier = 'body' | 'cookie';

export interface PresentedToken {
  readonly token: string;
  readonly carrier: Carrier;
  readonly idempotencyKey: string | undefined;
  readonly clientId: string | undefined;
  readonly sid: string | undefined;
  /** of the body it came in, or beside: what else the request says */
  readonly fields: Fields;
}

type CarrierOptions = Pick<ResolvedOptions, 'refreshToken' | 'origins'>;

/** A custom header: no form of another site can send it, and a script of another site needs our CORS consent. */
const CARRIER_HEADER = 'x-token-carrier';

/**
 * How a client wants its refresh token carried: in the body, or, when it says `X-Token-Carrier: cookie`, in a cookie.
 *
 * @throws {InvalidRequestError} 400 an unknown carrier, or one that `refreshToken.carrier` does not allow; 403 the cookie
 * is asked for by a page that may not, or must be asked for and is only sent
 */
export function carrierOf(request: HttpRequest, { refreshToken, origins }: CarrierOptions): Carrier {
  const policy = refreshToken.carrier;
  const wanted = request.headers[CARRIER_HEADER] ?? 'body';
  if ((wanted !== 'body' && wanted !== 'cookie') || (policy !== 'any' && policy !== wanted)) {
    if (sendsCookieAlone(request, policy)) throw carrierHeaderMissing();
    throw malformed(`X-Token-Carrier must be ${policy === 'any' ? 'body or cookie' : policy}`);
  }
  if (wanted === 'cookie') assertSameOrigin(request, origins);
  return wanted;
}

/**
 * The refresh token a request presents, from the one carrier it uses; null when there is none.
 *
 * The cookie is read only when the carrier header asks for it. A cookie comes with its own Idempotency-Key, which
 * then is the one that counts.
 *
 * @throws {InvalidRequestError} malformed, sent in both carriers, or by a page that may not
 */
export function findRefreshToken(request: HttpRequest, options: CarrierOptions): PresentedToken | null {
  const asks = request.headers[CARRIER_HEADER] !== undefined;
  const cookie = asks && carrierOf(request, options) === 'cookie' ? readCookie(request) : null;
  const fields = readFields(request, JSON_OR_FORM);
  const inBody = textOf(fields, 'refresh_token');
  // Where cookies alone are taken this refuses it; a request with neither presents none.
  if (inBody !== undefined) carrierOf(request, options);
  if (cookie && inBody !== undefined) {
    throw refreshTokenSentTwice();
  }
  const named = { clientId: textOf(fields, 'client_id') || undefined, sid: textOf(fields, 'sid'), fields };
  const idempotencyKey = readIdempotencyKey(request);
  if (cookie) return { ...named, ...cookie, carrier: 'cookie' };
  return inBody === undefined ? null : { ...named, token: inBody, carrier: 'body', idempotencyKey };
}

/**
 * As `findRefreshToken`, where one is required.
 *
 * @throws {InvalidTokenError} the client uses the cookie and has none: it is not logged in
 * @throws {InvalidRequestError} malformed, missing, sent in both carriers, or by a page that may not; 403 a cookie is there,
 * and nothing asks for it
 */
export function readRefreshToken(request: HttpRequest, options: CarrierOptions): PresentedToken {
  const presented = findRefreshToken(request, options);
  if (presented) return presented;
  if (carrierOf(request, options) === 'cookie') throw new InvalidTokenError('ERR_TOKEN_MISSING');
  if (sendsCookieAlone(request, options.refreshToken.carrier)) throw carrierHeaderMissing();
  throw refreshTokenMissing();
}

/**
 * The session a request means, whether it presents a refresh token or not.
 *
 * @throws {InvalidRequestError} malformed
 */
export function readSid(request: HttpRequest): string | undefined {
  return textOf(readFields(request, JSON_OR_FORM), 'sid');
}

/** What a form of another site looks like, were the cookie sent with it; or a client that does not know of the header. */
function sendsCookieAlone(request: HttpRequest, policy: CarrierPolicy): boolean {
  return policy !== 'body' && request.headers[CARRIER_HEADER] === undefined && hasCookie(request);
}

export function refreshTokenMissing(): InvalidRequestError {
  return new InvalidRequestError('ERR_TOKEN_MISSING', 'refresh_token is missing');
}

export function refreshTokenSentTwice(): InvalidRequestError {
  const message = 'The refresh token was sent in a cookie and in the body';
  return new InvalidRequestError('ERR_TOKEN_SENT_TWICE', message);
}

export function carrierHeaderMissing(): InvalidRequestError {
  const message = 'The refresh-token cookie is read only beside the header X-Token-Carrier: cookie; send it';
  return new InvalidRequestError('ERR_CARRIER_HEADER_MISSING', message, 403);
}

/** A structured field string may come in quotes; what is inside is judged by TokenService. */
export function readIdempotencyKey({ headers }: HttpRequest): string | undefined {
  const value = headers['idempotency-key'];
  if (Array.isArray(value)) throw malformed('Idempotency-Key was sent twice');
  return value?.replace(/^"(.*)"$/, '$1');
}
