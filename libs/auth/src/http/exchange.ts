import type { TokenPair } from '../issuer/token-pair.js';
import type { Carrier } from './carriers.js';
import type { HttpRequest } from './http-request.js';

/*
 * What one request has come to, kept beside it instead of on it: nothing an application could overwrite, and
 * gone with the request.
 */
const rotations = new WeakMap<HttpRequest, TokenPair>();
const carriers = new WeakMap<HttpRequest, Carrier>();

export function rememberRotation(request: HttpRequest, pair: TokenPair): void {
  rotations.set(request, pair);
}

export function rotationOf(request: HttpRequest): TokenPair | undefined {
  return rotations.get(request);
}

/** Which carrier brought the refresh token that this request is about to spend. */
export function rememberCarrier(request: HttpRequest, carrier: Carrier): void {
  carriers.set(request, carrier);
}

export function presentedByCookie(request: HttpRequest): boolean {
  return carriers.get(request) === 'cookie';
}
