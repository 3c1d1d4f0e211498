import { AuthError } from '../core/errors.js';
import { bodyFor } from './auth-http.exception.js';

type WsException = new (error: object) => Error;

let loaded: Promise<WsException | undefined> | undefined;
let exception: WsException | undefined;

/**
 * Fetches Nest's exception for WebSockets, if the application has that package at all.
 *
 * Its handler knows no other, asks no global filter, and would tell the client of an internal error.
 */
export async function loadWsException(): Promise<void> {
  loaded ??= import('@nestjs/websockets').then(
    ({ WsException }) => WsException,
    () => undefined,
  );
  exception = await loaded;
}

/** What is not ours passes unchanged. */
export function asWsException(error: unknown): unknown {
  return error instanceof AuthError && exception ? new exception(bodyFor(error)) : error;
}
