import { HttpException } from '@nestjs/common';
import {
  AuthError,
  InsufficientScopeError,
  InsufficientUserAuthenticationError,
  InvalidTokenError,
} from '../core/errors.js';

const GRAPHQL_CODES: Readonly<Record<number, string>> = {
  400: 'BAD_REQUEST',
  401: 'UNAUTHENTICATED',
  403: 'FORBIDDEN',
  404: 'NOT_FOUND',
  409: 'CONFLICT',
  422: 'BAD_USER_INPUT',
  429: 'TOO_MANY_REQUESTS',
  503: 'SERVICE_UNAVAILABLE',
};

/**
 * An AuthError in Nest's own shape, thrown by the guards and the interceptor: a catch-all filter of the
 * application, which asks for an HttpException, then still finds the right status and body.
 */
export class AuthHttpException extends HttpException {
  constructor(readonly reason: AuthError) {
    super(bodyFor(reason), reason.status, { cause: reason });
    this.message = String(bodyFor(reason)['error_description']);
  }

  /** What graphql-js hands to the client beside the message, whichever server runs it; `code` as Apollo names it. */
  get extensions(): Record<string, unknown> {
    return { code: GRAPHQL_CODES[this.reason.status] ?? 'INTERNAL_SERVER_ERROR', ...bodyFor(this.reason) };
  }
}

/** For a `catch` at the edge of this room; what is not ours passes unchanged. */
export function asHttpException(error: unknown): unknown {
  return error instanceof AuthError ? new AuthHttpException(error) : error;
}

/** A request without credentials is told how to authenticate, and nothing about an error. RFC 6750 section 3.1. */
export function isMissingToken(error: AuthError): boolean {
  return error instanceof InvalidTokenError && error.code === 'ERR_TOKEN_MISSING';
}

/** What a client is told, in every kind of context. */
export function bodyFor(error: AuthError): Record<string, unknown> {
  if (isMissingToken(error)) return { error: 'unauthorized', error_description: 'No token was sent' };
  const body = { error: error.error, error_description: error.message };
  if (error instanceof InsufficientScopeError) return { ...body, scope: error.scope };
  if (error instanceof InsufficientUserAuthenticationError) return { ...body, max_age: error.maxAge };
  return body;
}
