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
  /** when the subject logged in, seconds since the epoch; absent where the issuer does not say */
  readonly auth_time?: number;
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
  'auth_time',
  'jti',
  'client_id',
  'sid',
  'scope',
  'cnf',
]);

/** What a header says about how its token is signed: whose key, and with which algorithm. */
export interface AccessTokenHeader {
  readonly alg: string;
  readonly kid: string;
}

/**
 * The header of a token that may be an access token, if its signature is good under the key of that `kid`, and the key
 * is one for that `alg`.
 *
 * A header with any member beyond `typ`, `alg` and `kid` is refused: `crit`, `b64`, `zip`, `jwk`, `jku`, `x5c`
 * and `x5u` have nothing to say here, and what is never read cannot be misread.
 *
 * @throws {InvalidTokenError} see RFC 9068 section 4, RFC 8725 section 3
 */
export function checkHeader(header: unknown): AccessTokenHeader {
  const { typ, alg, kid, ...rest } = asObject(header);
  const isTyped = typeof typ === 'string' && TYPES.has(typ.toLowerCase());
  if (!isTyped || typeof alg !== 'string' || typeof kid !== 'string' || Object.keys(rest).length > 0) {
    throw new InvalidTokenError('ERR_ACCESS_TOKEN_INVALID');
  }
  return { alg, kid };
}

/**
 * Every rule about the claims of a token whose signature is good. Strict types: no number in a string.
 *
 * A token bound to a key of the client (`cnf`) is refused: nobody here asks for the proof, so as a bearer token it
 * would be worth as much to a thief. RFC 9449 section 7.2.
 *
 * @param now milliseconds since the epoch on this node's clock
 * @throws {InvalidTokenError} expired is told from otherwise invalid, and nothing more
 * @see RFC 9068 section 4, RFC 7519 section 4.1
 */
export function checkClaims(payload: unknown, policy: AccessTokenPolicy, now: number): AccessTokenClaims {
  const claims = asObject(payload);
  const seconds = now / 1000;
  const { exp, iat, nbf, auth_time: authTime } = claims;
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
    (authTime === undefined || isTime(authTime)) &&
    claims['cnf'] === undefined &&
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

/**
 * Whether the login behind a token is recent enough for a route that asks for it; no when the token does not say.
 *
 * @param maxAge seconds
 * @param now milliseconds since the epoch on this node's clock
 * @see RFC 9470 section 3
 */
export function isFresh(
  { auth_time: authTime }: AccessTokenClaims,
  maxAge: number,
  clockTolerance: number,
  now: number,
): boolean {
  return authTime !== undefined && now / 1000 < authTime + maxAge + clockTolerance;
}

/** Whether a token grants every one of `demanded`; a word grants itself alone. RFC 6749 section 3.3. */
export function grantsScope({ scope }: AccessTokenClaims, demanded: readonly string[]): boolean {
  const granted = scope === undefined ? [] : scope.split(' ');
  return demanded.every((word) => granted.includes(word));
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
    /** seconds since the epoch, as the two below */
    iat: number;
    exp: number;
    authTime: number;
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
  claims['auth_time'] = issued.authTime;
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

/** Whole seconds: what RFC 7519 calls a NumericDate may have a fraction, and none of ours has. */
function isTime(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
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
