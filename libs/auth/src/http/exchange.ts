import type { TokenPair } from '../issuer/token-pair.js';
import type { PresentedToken } from './carriers.js';
import type { Client } from './client-authentication.js';
import type { HttpRequest } from '../access/http-request.js';

/*
 * What one request has come to, kept beside it instead of on it: nothing an application could overwrite, and
 * gone with the request.
 */
const presentations = new WeakMap<HttpRequest, PresentedToken>();
const rotations = new WeakMap<HttpRequest, TokenPair>();
const clients = new WeakMap<HttpRequest, Client>();

/** The refresh token that this request is about to spend. */
export function rememberPresented(request: HttpRequest, presented: PresentedToken): void {
  presentations.set(request, presented);
}

export function presentedBy(request: HttpRequest): PresentedToken | undefined {
  return presentations.get(request);
}

export function rememberRotation(request: HttpRequest, pair: TokenPair): void {
  rotations.set(request, pair);
}

export function rotationOf(request: HttpRequest): TokenPair | undefined {
  return rotations.get(request);
}

export function rememberClient(request: HttpRequest, client: Client): void {
  clients.set(request, client);
}

export function clientOf(request: HttpRequest): Client | undefined {
  return clients.get(request);
}
