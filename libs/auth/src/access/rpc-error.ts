import type { AuthError } from '../core/errors.js';
import { bodyFor } from './auth-http.exception.js';

/** The status codes of gRPC. */
const GRPC_CODES: Readonly<Record<number, number>> = {
  400: 3, // INVALID_ARGUMENT
  401: 16, // UNAUTHENTICATED
  403: 7, // PERMISSION_DENIED
  404: 5, // NOT_FOUND
  409: 9, // FAILED_PRECONDITION
  422: 3, // INVALID_ARGUMENT
  503: 14, // UNAVAILABLE
};
const INTERNAL = 13;

/**
 * What a microservice hands to its client: an object, as an Error would arrive without its members.
 *
 * gRPC takes a status code and a text and nothing else, so there the word of the error opens the text.
 */
export function rpcErrorFor(error: AuthError, context: unknown): object {
  const body = bodyFor(error);
  if (!isGrpcMetadata(context)) return { status: error.status, ...body };
  const details = `${String(body['error'])}: ${String(body['error_description'])}`;
  return { code: GRPC_CODES[error.status] ?? INTERNAL, details, message: details };
}

function isGrpcMetadata(context: unknown): boolean {
  return typeof (context as { getMap?: unknown } | undefined)?.getMap === 'function';
}
