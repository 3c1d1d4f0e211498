import { InvalidCredentialsError } from '../core/errors.js';
import { readCredentials, tokenIn } from './bearer.js';
import type { HttpRequest } from './http-request.js';

/** The request that opened a WebSocket, as Nest hands it to `handleConnection`: an `IncomingMessage` of Node fits. */
export interface UpgradeRequest {
  readonly url?: string | undefined;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly rawHeaders?: readonly string[];
}

/** What is used of a Socket of `socket.io`. */
interface IoHandshake {
  readonly request?: UpgradeRequest;
  readonly handshake?: { readonly auth?: { readonly token?: unknown } };
}

const SUBPROTOCOL = 'bearer';

/**
 * The access token of a handshake; null when there is none.
 *
 * It stands in the Authorization header; for browsers, which cannot set one, in `auth.token` of socket.io, or behind
 * the subprotocol `bearer`: `new WebSocket(url, ['bearer', token])`. Never in the query, which ends in logs and
 * histories.
 *
 * @throws {InvalidCredentialsError} a token was sent twice, whichever way
 * @see RFC 6750 section 2.1, RFC 6455 section 4.1, RFC 9700 section 4.3.2
 */
export function readHandshake(socket: IoHandshake, request = socket.request): string | null {
  const credentials = request ? readCredentials(request as HttpRequest) : null;
  const tokens = [
    ...(credentials === null ? [] : [tokenIn(credentials)]),
    ...(request ? inSubprotocols(request.headers['sec-websocket-protocol']) : []),
    ...inAuth(socket),
  ];
  if (tokens.length > 1) {
    throw new InvalidCredentialsError('ERR_TOKEN_SENT_TWICE', 'The access token was sent more than once');
  }
  return tokens[0] ?? null;
}

function inAuth({ handshake }: IoHandshake): string[] {
  const token = handshake?.auth?.token;
  return typeof token === 'string' && token !== '' ? [token] : [];
}

/** Whoever offers `bearer` names the token next; the server answers with the first of the list, so without the token. */
function inSubprotocols(offered: string | string[] | undefined): string[] {
  const names = String(offered ?? '')
    .split(',')
    .map((name) => name.trim());
  return names.flatMap((name, index) => {
    const token = name === SUBPROTOCOL ? names[index + 1] : undefined;
    return token === undefined ? [] : [token];
  });
}
