import {
  InsufficientScopeError,
  InsufficientUserAuthenticationError,
  InvalidClientError,
  InvalidCredentialsError,
  InvalidTokenError,
  type AuthError,
} from '../core/errors.js';
import { isMissingToken } from './auth-http.exception.js';

const REALM = 'api';
const BASIC = `Basic realm="${REALM}", charset="UTF-8"`;

/**
 * The `WWW-Authenticate` of an answer; null for errors that better credentials would not mend, and for a client that
 * has tried no HTTP Basic.
 *
 * No value in it needs an escape: messages are ours, and scope words are checked where a route is declared.
 *
 * @see RFC 6750 section 3, RFC 9470 section 3; RFC 6749 section 5.2, RFC 7617 section 2
 */
export function challengeFor(error: AuthError): string | null {
  if (error instanceof InvalidClientError) return error.isChallenged ? BASIC : null;
  const challenge = `Bearer realm="${REALM}"`;
  if (isMissingToken(error)) return challenge;
  const told = `${challenge}, error="${error.error}", error_description="${error.message}"`;
  if (error instanceof InvalidTokenError || error instanceof InvalidCredentialsError) return told;
  if (error instanceof InsufficientScopeError) return `${told}, scope="${error.scope}"`;
  if (error instanceof InsufficientUserAuthenticationError) return `${told}, max_age="${error.maxAge}"`;
  return null;
}
