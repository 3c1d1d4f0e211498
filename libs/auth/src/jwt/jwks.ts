import { createPublicKey, KeyObject, type JsonWebKey } from 'node:crypto';
import type { KeyRing, VerificationKey } from './key-ring.js';
import { asymmetricAlgorithmOf } from './signing-keys.js';

/** A JWK Set of public keys, RFC 7517 section 5. */
export interface JsonWebKeySet {
  readonly keys: readonly PublicJwk[];
}

type PublicJwk = JsonWebKey & { readonly kid: string; readonly alg: string; readonly use: 'sig' };

const MAX_KID_LENGTH = 256;

/**
 * What an issuer publishes: the public members of every key that verifies, and never a secret.
 *
 * @see RFC 7517 sections 4 and 9.3
 */
export function toJwks({ keys }: Pick<KeyRing, 'keys'>): JsonWebKeySet {
  return { keys: keys.filter(({ publicKey }) => publicKey.type === 'public').map(toJwk) };
}

function toJwk({ kid, algorithm, publicKey }: VerificationKey): PublicJwk {
  // Of a public KeyObject there is nothing else to export.
  return { ...publicKey.export({ format: 'jwk' }), kid, alg: algorithm, use: 'sig' };
}

/**
 * The keys of a set that may verify access tokens. A key that is of another kind, for another use or too weak is passed
 * over, as is one without a name or with the name of one before it.
 *
 * The kind of a key decides its algorithm; an `alg` that contradicts it is none of ours to reconcile.
 *
 * @see RFC 7517 section 5
 */
export function fromJwks(set: { readonly keys: readonly unknown[] }): VerificationKey[] {
  const byKid = new Map<string, VerificationKey>();
  for (const jwk of set.keys) {
    const key = fromJwk(jwk as JsonWebKey | null);
    if (key && !byKid.has(key.kid)) byKid.set(key.kid, key);
  }
  return [...byKid.values()];
}

function fromJwk(jwk: JsonWebKey | null): VerificationKey | null {
  const { kid, kty, use, alg, key_ops: operations } = jwk ?? {};
  if (typeof kid !== 'string' || kid === '' || kid.length > MAX_KID_LENGTH) return null;
  if (use !== undefined && use !== 'sig') return null;
  if (Array.isArray(operations) && !operations.includes('verify')) return null;
  const publicKey = kty === 'EC' || kty === 'RSA' ? importOrNull(jwk!) : null;
  const algorithm = publicKey && asymmetricAlgorithmOf(publicKey);
  if (!publicKey || !algorithm || (alg !== undefined && alg !== algorithm)) return null;
  return { kid, algorithm, publicKey };
}

/** Public members alone: what else a set may hold by mistake is not looked at. */
function importOrNull({ kty, crv, x, y, n, e }: JsonWebKey): KeyObject | null {
  const key = kty === 'RSA' ? { kty, n, e } : { kty, crv, x, y };
  try {
    return createPublicKey({ key: key as JsonWebKey, format: 'jwk' });
  } catch {
    return null;
  }
}
