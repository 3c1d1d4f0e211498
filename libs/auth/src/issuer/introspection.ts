import type { AccessTokenClaims } from '../core/access-token.js';
import { InvalidTokenError, UnavailableError } from '../core/errors.js';
import type { AccessTokens, Look } from '../core/ports.js';
import type { RefreshTokenCodec, RefreshTokenParts } from '../core/refresh-token.js';

/** RFC 7662 section 2.2. An inactive token is exactly `{ active: false }`, whatever the cause. */
export type Introspection =
  | { readonly active: false }
  | (AccessTokenClaims & { readonly active: true; readonly token_type: 'access_token' })
  | {
      readonly active: true;
      readonly token_type: 'refresh_token';
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
  return { active: true, token_type: 'refresh_token', sub, client_id, sid, ...(scope !== null && { scope }) };
}

export async function introspectAccessToken(
  token: string,
  accessTokens: AccessTokens,
  lookAt: (sid: string) => Promise<Look>,
): Promise<Introspection> {
  const claims = await verifyOrNull(token, accessTokens);
  if (!claims || !isAlive(await lookAt(claims.sid))) return INACTIVE;
  return { ...claims, active: true, token_type: 'access_token' };
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

async function verifyOrNull(token: string, accessTokens: AccessTokens): Promise<AccessTokenClaims | null> {
  try {
    return await accessTokens.verify(token);
  } catch (error) {
    if (error instanceof InvalidTokenError) return null;
    throw error;
  }
}
