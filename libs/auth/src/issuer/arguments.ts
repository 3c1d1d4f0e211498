import { REVOCATION_REASONS, type RevocationReason } from '../core/family.js';
import type { Login } from '../core/ports.js';
import { isClaims, MAX_CLAIMS_BYTES } from './claims.source.js';

const MAX_SCOPE_LENGTH = 512;
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*$/;
const CONTROL = /\p{Cc}/u;

/** @throws {TypeError} an argument is not as `TokenService.issue` describes it */
export function checkLogin({ subject, clientId, scope, claims }: Omit<Login, 'token'>): void {
  checkName('subject', subject);
  checkName('clientId', clientId);
  if (scope !== null && !isScope(scope)) {
    throw new TypeError(
      `scope must be words of RFC 6749 section 3.3, ${MAX_SCOPE_LENGTH} characters at most`,
    );
  }
  if (!isClaims(claims)) throw new TypeError(`claims must be JSON of at most ${MAX_CLAIMS_BYTES} bytes`);
}

/** @throws {TypeError} it is no name */
export function checkName(argument: string, text: string): void {
  if (!isName(text)) throw new TypeError(`${argument} must be a text of 1 to 255 characters`);
}

/** Reasons are labels of a metric: there are no others. @throws {TypeError} it is none */
export function checkReason(reason: RevocationReason): void {
  if (!REVOCATION_REASONS.includes(reason)) {
    throw new TypeError(`reason must be one of ${REVOCATION_REASONS.join(', ')}`);
  }
}

/** What PostgreSQL can store and a claim can carry. */
export function isName(text: string): boolean {
  return (
    typeof text === 'string' &&
    text.length > 0 &&
    text.length <= 255 &&
    !CONTROL.test(text) &&
    text.isWellFormed()
  );
}

function isScope(scope: string): boolean {
  return scope.length <= MAX_SCOPE_LENGTH && SCOPE.test(scope);
}
