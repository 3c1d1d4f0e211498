import { InvalidRequestError, InvalidTokenError } from '../core/errors.js';
import type { CarrierPolicy } from '../core/options.js';
import { readCookie } from './cookie.js';
import { JSON_OR_FORM, malformed, readFields, textOf } from './request-body.js';
import type { HttpRequest } from '../access/http-request.js';

export type Carrier = 'body' | 'cookie';

export interface PresentedToken {
  readonly token: string;
  readonly carrier: Carrier;
  readonly idempotencyKey: string | undefined;
  readonly clientId: string | undefined;
  readonly sid: string | undefined;
}

/** A custom header: no form of another site can send it, and a script of another site needs our CORS consent. */
const CARRIER_HEADER = 'x-token-carrier';

/**
 * How a client wants its refresh token carried: in the body, or, when it says `X-Token-Carrier: cookie`, in a cookie.
 *
 * @throws {InvalidRequestError} an unknown carrier, or one that `refreshToken.carrier` does not allow
 */
export function carrierOf({ headers }: HttpRequest, policy: CarrierPolicy): Carrier {
  const wanted = headers[CARRIER_HEADER] ?? 'body';
  if ((wanted !== 'body' && wanted !== 'cookie') || (policy !== 'any' && policy !== wanted)) {
    throw malformed(`X-Token-Carrier must be ${policy === 'any' ? '"body" or "cookie"' : `"${policy}"`}`);
  }
  return wanted;
}

/**
 * The refresh token a request presents, from the one carrier it uses; null when there is none.
 *
 * The cookie is read only when the carrier header asks for it. A cookie comes with its own Idempotency-Key, which
 * then is the one that counts.
 *
 * @throws {InvalidRequestError} malformed, or sent in both carriers
 */
export function findRefreshToken(request: HttpRequest, policy: CarrierPolicy): PresentedToken | null {
  const cookie = carrierOf(request, policy) === 'cookie' ? readCookie(request) : null;
  const fields = readFields(request, JSON_OR_FORM);
  const inBody = textOf(fields, 'refresh_token');
  if (cookie && inBody !== undefined) {
    throw new InvalidRequestError(
      'ERR_TOKEN_SENT_TWICE',
      'The refresh token was sent in a cookie and in the body',
    );
  }
  const named = { clientId: textOf(fields, 'client_id'), sid: textOf(fields, 'sid') };
  const idempotencyKey = readIdempotencyKey(request);
  if (cookie) return { ...named, ...cookie, carrier: 'cookie' };
  return inBody === undefined ? null : { ...named, token: inBody, carrier: 'body', idempotencyKey };
}

/**
 * As `findRefreshToken`, where one is required.
 *
 * @throws {InvalidTokenError} the client uses the cookie and has none: it is not logged in
 * @throws {InvalidRequestError} malformed, missing, or sent in both carriers
 */
export function readRefreshToken(request: HttpRequest, policy: CarrierPolicy): PresentedToken {
  const presented = findRefreshToken(request, policy);
  if (presented) return presented;
  if (carrierOf(request, policy) === 'cookie') throw new InvalidTokenError('ERR_TOKEN_MISSING');
  throw new InvalidRequestError('ERR_TOKEN_MISSING', 'refresh_token is missing');
}

/** A structured field string may come in quotes; what is inside is judged by TokenService. */
function readIdempotencyKey({ headers }: HttpRequest): string | undefined {
  const value = headers['idempotency-key'];
  if (Array.isArray(value)) throw malformed('Idempotency-Key was sent twice');
  return value?.replace(/^"(.*)"$/, '$1');
}
