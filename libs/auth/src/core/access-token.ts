import { InvalidTokenError } from './errors.js';
import type { Claims } from './family.js';

/** The claims of an access token, RFC 9068 section 2.2, with the application's own beside them. */
export interface AccessTokenClaims extends Claims {
  readonly iss: string;
  readonly sub: string;
  readonly aud: string | readonly string[];
  /** seconds since the epoch */
  readonly exp: number;
  /** seconds since the epoch */
  readonly iat: number;
  readonly jti: string;
  readonly client_id: string;
  /** the family: one login of the subject */
  readonly sid: string;
  /** space-separated, absent when the grant has none */
  readonly scope?: string;
}

export interface AccessTokenPolicy {
  readonly issuer: string;
  readonly audience: readonly string[];
  /** seconds; the longest `exp - iat` that is believed */
  readonly maxLifetime: number;
  /** seconds, for `exp`, `nbf` and `iat` alike */
  readonly clockTolerance: number;
}

const TYPES = new Set(['at+jwt', 'application/at+jwt']);
const MAX_SUBJECT_LENGTH = 255;

/** The names only this package may write: an application's claims never replace them. */
export const REGISTERED_CLAIMS: ReadonlySet<string> = new Set([
  'iss',
  'sub',
  'aud',
  'exp',
  'nbf',
  'iat',
  'jti',
  'client_id',
  'sid',
  'scope',
]);

/**
 * The `kid` of a header that may be believed, once its signature is verified with that key.
 *
 * A header with any member beyond `typ`, `alg` and `kid` is refused: `crit`, `b64`, `zip`, `jwk`, `jku`, `x5c`
 * and `x5u` have nothing to say here, and what is never read cannot be misread.
 *
 * @throws {InvalidTokenError} see RFC 9068 section 4, RFC 8725 section 3
 */
export function checkHeader(header: unknown, algorithm: string): string {
  const { typ, alg, kid, ...rest } = asObject(header);
  const known = Object.keys(rest).length === 0 && alg === algorithm;
  if (!known || typeof typ !== 'string' || !TYPES.has(typ.toLowerCase()) || typeof kid !== 'string') {
    throw new InvalidTokenError('ERR_ACCESS_TOKEN_INVALID');
  }
  return kid;
}

/**
 * Every rule about the claims of a token whose signature is good. Strict types: no number in a string.
 *
 * @param now milliseconds since the epoch on this node's clock
 * @throws {InvalidTokenError} expired is told from otherwise invalid, and nothing more
 * @see RFC 9068 section 4, RFC 7519 section 4.1
 */
export function checkClaims(payload: unknown, policy: AccessTokenPolicy, now: number): AccessTokenClaims {
  const claims = asObject(payload);
  const seconds = now / 1000;
  const { exp, iat, nbf } = claims;
  const wellFormed =
    claims['iss'] === policy.issuer &&
    audienceMatches(claims['aud'], policy.audience) &&
    isText(claims['sub']) &&
    isText(claims['jti']) &&
    isText(claims['client_id']) &&
    isText(claims['sid']) &&
    (claims['scope'] === undefined || typeof claims['scope'] === 'string') &&
    isTime(exp) &&
    isTime(iat) &&
    (nbf === undefined || (isTime(nbf) && nbf <= seconds + policy.clockTolerance)) &&
    iat <= seconds + policy.clockTolerance &&
    exp > iat &&
    exp - iat <= policy.maxLifetime;
  if (!wellFormed) throw new InvalidTokenError('ERR_ACCESS_TOKEN_INVALID');
  if (isExpired(exp, policy, now)) throw new InvalidTokenError('ERR_ACCESS_TOKEN_EXPIRED');
  return freeze(claims) as AccessTokenClaims;
}

/** "On or after" `exp` is expired, RFC 7519 section 4.1.4; the tolerance moves that point, never removes it. */
export function isExpired(exp: number, policy: AccessTokenPolicy, now: number): boolean {
  return now / 1000 >= exp + policy.clockTolerance;
}

/** What a token of `grant` says: the application's claims first, ours over them. */
export function buildClaims(
  issued: {
    issuer: string;
    audience: readonly string[];
    subject: string;
    clientId: string;
    sid: string;
    scope: string | null;
    jti: string;
    /** seconds since the epoch */
    iat: number;
    exp: number;
  },
  own: Claims,
): Record<string, unknown> {
  const claims: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(own)) {
    if (!REGISTERED_CLAIMS.has(name) && name !== '__proto__') claims[name] = value;
  }
  claims['iss'] = issued.issuer;
  claims['sub'] = issued.subject;
  claims['aud'] = issued.audience.length === 1 ? issued.audience[0] : issued.audience;
  claims['exp'] = issued.exp;
  claims['iat'] = issued.iat;
  claims['jti'] = issued.jti;
  claims['client_id'] = issued.clientId;
  claims['sid'] = issued.sid;
  if (issued.scope !== null) claims['scope'] = issued.scope;
  return claims;
}

function asObject(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new InvalidTokenError('ERR_ACCESS_TOKEN_INVALID');
  }
  return value as Record<string, unknown>;
}

function audienceMatches(claimed: unknown, accepted: readonly string[]): boolean {
  if (typeof claimed === 'string') return accepted.includes(claimed);
  return (
    Array.isArray(claimed) &&
    claimed.every((audience) => typeof audience === 'string') &&
    claimed.some((audience) => accepted.includes(audience))
  );
}

function isText(value: unknown): value is string {
  return (
    typeof value === 'string' &&
    value.length > 0 &&
    value.length <= MAX_SUBJECT_LENGTH &&
    value.isWellFormed()
  );
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value <= Number.MAX_SAFE_INTEGER;
}

/** A null prototype and no way to write: one cached principal may be handed to many requests. */
function freeze(value: Record<string, unknown>): Claims {
  const copy: Record<string, unknown> = Object.create(null);
  for (const name of Object.keys(value)) copy[name] = deepFreeze(value[name]);
  return Object.freeze(copy);
}

function deepFreeze(value: unknown): unknown {
  if (typeof value === 'object' && value !== null) {
    for (const member of Object.values(value)) deepFreeze(member);
    Object.freeze(value);
  }
  return value;
}
