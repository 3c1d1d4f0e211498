import type { ExecutionContext } from '@nestjs/common';
import type { AccessTokenClaims } from '../core/access-token.js';
import { InvalidTokenError } from '../core/errors.js';
import { httpRequest, type HttpRequest } from './http-request.js';

/** Of sockets and messages, which have no place of their own for it. */
const principals = new WeakMap<object, AccessTokenClaims>();
/** Sockets of ours that have been told goodbye. A client that does not close its end is heard for some time yet. */
const ended = new WeakSet<object>();

/** `graphql` is no type of Nest's own, and comes with a package we do not need. */
export type ContextType = 'http' | 'graphql' | 'ws' | 'rpc';

/** Where the arguments of a handler have what the guard needs: `context` of GraphQL, and the context of a message. */
const GRAPHQL_CONTEXT = 2;
const RPC_CONTEXT = 1;

/** The HTTP request behind an HTTP or GraphQL context; `undefined` when a GraphQL context was made without `req`. */
export function requestOf(context: ExecutionContext): HttpRequest | undefined {
  if (context.getType<ContextType>() === 'http') return httpRequest(context);
  const graphql = context.getArgByIndex<{ req?: HttpRequest; reply?: { request?: HttpRequest } } | undefined>(
    GRAPHQL_CONTEXT,
  );
  return graphql?.req ?? graphql?.reply?.request;
}

export function rpcContextOf(context: ExecutionContext): object {
  return context.getArgByIndex<object>(RPC_CONTEXT);
}

/**
 * Who a request is from, once it is verified: `request.user`, or beside the message of a microservice, or beside the
 * socket, which has one for all of its messages.
 *
 * @throws {InvalidTokenError} the socket's session has ended, however good the token
 */
export function rememberPrincipal(context: ExecutionContext, claims: AccessTokenClaims): void {
  if (isHttpLike(context)) {
    const request = requestOf(context);
    // The one property written: each costs more than the look-up of a repeated token.
    if (request) request.user = claims;
    return;
  }
  const holder = holderOf(context);
  if (!holder) return;
  if (ended.has(holder)) throw new InvalidTokenError('ERR_ACCESS_TOKEN_INVALID');
  principals.set(holder, claims);
}

/** Ends the session of a socket for good: nobody is its user any more, not even by a message that is under way. */
export function forgetPrincipal(socket: object): void {
  ended.add(socket);
  principals.delete(socket);
}

export function principalOf(context: ExecutionContext): AccessTokenClaims | undefined {
  if (isHttpLike(context)) return requestOf(context)?.user;
  const holder = holderOf(context);
  return holder && principals.get(holder);
}

function isHttpLike(context: ExecutionContext): boolean {
  const type = context.getType<ContextType>();
  return type === 'http' || type === 'graphql';
}

/** Of a context of an application's own kind its own guard has to know. */
function holderOf(context: ExecutionContext): object | undefined {
  const type = context.getType();
  if (type === 'ws') return context.switchToWs().getClient<object>();
  return type === 'rpc' ? rpcContextOf(context) : undefined;
}
