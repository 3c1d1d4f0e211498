import { createHmac, timingSafeEqual, verify, type KeyObject } from 'node:crypto';
import type { VerificationKey } from './key-ring.js';

/** How OpenSSL is told that an ECDSA signature is two numbers side by side; made anew for every token it costs 1 µs. */
const ecdsaKeys = new WeakMap<KeyObject, { key: KeyObject; dsaEncoding: 'ieee-p1363' }>();

/**
 * Whether `signature` is one of `signed` under `key`, with the key's own algorithm: a token has no say in that.
 *
 * One call of OpenSSL. A signature of another form or length (DER, a zero, a point at infinity) is no signature.
 *
 * @param signed base64url and dots
 * @param signature base64url
 * @see RFC 7518 sections 3.2 to 3.4
 */
export function isSignedBy(
  { algorithm, publicKey }: VerificationKey,
  signed: string,
  signature: string,
): boolean {
  const data = Buffer.from(signed, 'latin1');
  const bytes = Buffer.from(signature, 'base64url');
  switch (algorithm) {
    case 'ES256':
      return verify('sha256', data, ecdsaKey(publicKey), bytes);
    case 'RS256':
      return verify('sha256', data, publicKey, bytes);
    case 'HS256': {
      const expected = createHmac('sha256', publicKey).update(data).digest();
      return bytes.length === expected.length && timingSafeEqual(bytes, expected);
    }
  }
}

function ecdsaKey(publicKey: KeyObject): { key: KeyObject; dsaEncoding: 'ieee-p1363' } {
  let key = ecdsaKeys.get(publicKey);
  if (!key) ecdsaKeys.set(publicKey, (key = { key: publicKey, dsaEncoding: 'ieee-p1363' }));
  return key;
}
