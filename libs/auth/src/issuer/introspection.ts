import type { AccessTokenClaims } from '../core/access-token.js';
import { InvalidTokenError, UnavailableError } from '../core/errors.js';
import type { AccessTokens, Look } from '../core/ports.js';
import type { RefreshTokenCodec, RefreshTokenParts } from '../core/refresh-token.js';

/**
 * RFC 7662 section 2.2. An inactive token is exactly `{ active: false }`, whatever the cause.
 *
 * `token_type` is that of RFC 6749 section 7.1, which a refresh token has none of; which of the two it is `token_use`
 * says.
 */
export type Introspection =
  | { readonly active: false }
  | (AccessTokenClaims & {
      readonly active: true;
      readonly token_type: 'Bearer';
      readonly token_use: 'access_token';
    })
  | {
      readonly active: true;
      readonly token_use: 'refresh_token';
      readonly sub: string;
      readonly client_id: string;
      readonly sid: string;
      readonly scope?: string;
    };

const INACTIVE = { active: false } as const;

export function introspectRefreshToken(token: RefreshTokenParts, look: Look): Introspection {
  const { family } = look;
  if (!family || !family.rootHash.equals(token.rootHash) || !isAlive(look)) return INACTIVE;
  const { subject: sub, clientId: client_id, familyId: sid, scope } = family;
  return { active: true, token_use: 'refresh_token', sub, client_id, sid, ...(scope !== null && { scope }) };
}

export async function introspectAccessToken(
  token: string,
  accessTokens: AccessTokens,
  lookAt: (sid: string) => Promise<Look>,
): Promise<Introspection> {
  const claims = await verifyOrNull(accessTokens, token);
  if (!claims || !isAlive(await lookAt(claims.sid))) return INACTIVE;
  // Ours come last: a claim of the application's by one of these names is not what they say.
  return { ...claims, active: true, token_type: 'Bearer', token_use: 'access_token' };
}

/** Neither ended nor expired, at the moment the database was asked. */
export function isAlive({ family, now }: Look): boolean {
  return family !== null && family.revokedAt === null && now < family.expiresAt && now < family.idleExpiresAt;
}

/** A key this node does not know yet is an outage; every other failure is just no token of ours. */
export function decodeOrNull(codec: RefreshTokenCodec, text: string): RefreshTokenParts | null {
  try {
    return codec.decode(text);
  } catch (error) {
    if (error instanceof UnavailableError) throw error;
    return null;
  }
}

/** No telling which keys are good is an outage; every other failure is just no token of ours. */
export async function verifyOrNull(
  accessTokens: Pick<AccessTokens, 'verify'>,
  token: string,
): Promise<AccessTokenClaims | null> {
  try {
    return await accessTokens.verify(token);
  } catch (error) {
    if (error instanceof InvalidTokenError) return null;
    throw error;
  }
}
