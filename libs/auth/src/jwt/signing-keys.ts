import { createHash, createPrivateKey, createPublicKey, createSecretKey, KeyObject } from 'node:crypto';
import type { JsonWebKey } from 'node:crypto';
import type { SigningAlgorithm, SigningKeyInput } from '../core/options.js';
import type { SigningKey, VerificationKey } from './key-ring.js';

const MIN_RSA_BITS = 2048;
const RSA_EXPONENT = 65537n;
const MIN_SECRET_BYTES = 32;

/**
 * Imports the keys of `accessToken.keys` for one algorithm.
 *
 * @returns the keys, and a fault for each that cannot serve; a fault names the position and never the material
 */
export function importSigningKeys(
  inputs: readonly SigningKeyInput[],
  algorithm: SigningAlgorithm = 'ES256',
): { keys: SigningKey[]; faults: string[] } {
  const keys: SigningKey[] = [];
  const faults: string[] = [];
  for (const [index, input] of inputs.entries()) {
    const path = `accessToken.keys[${index}]`;
    try {
      const key = algorithm === 'HS256' ? importSecret(input) : importKeyPair(input, algorithm);
      const fault =
        faultOf(key, algorithm) ??
        (index === 0 && !key.privateKey ? 'must be a private key: the first one signs' : null);
      if (fault) faults.push(`${path} ${fault}`);
      else if (keys.some(({ kid }) => kid === key.kid))
        faults.push(`${path} is the same key as one before it: remove it`);
      keys.push(key);
    } catch {
      // The reason may quote the material, so it is not repeated.
      faults.push(`${path} ${remedyFor(input, algorithm)}`);
    }
  }
  return { keys, faults };
}

/** Of a key that cannot be read; the first two are how an environment variable usually goes wrong. */
function remedyFor(input: SigningKeyInput | undefined, algorithm: SigningAlgorithm): string {
  if (input === undefined || input === '') {
    return 'is empty: set the variable it comes from, before this module is loaded';
  }
  if (typeof input === 'string' && input.includes('\\n')) {
    return 'has \\n in place of its line breaks: replace them';
  }
  const form = algorithm === 'HS256' ? 'a secret' : 'a PEM text, a JWK object or a KeyObject';
  return `cannot be read: give ${form} for ${algorithm}`;
}

/** Each key is imported once: handing over PEM or text would import it again for every token. */
function importKeyPair(input: SigningKeyInput, algorithm: SigningAlgorithm): SigningKey {
  const imported = asKeyObject(input);
  const privateKey = imported.type === 'private' ? imported : null;
  const publicKey = privateKey ? createPublicKey(privateKey) : imported;
  return { kid: thumbprint(publicKey), algorithm, privateKey, publicKey };
}

function asKeyObject(input: SigningKeyInput): KeyObject {
  if (input instanceof KeyObject) return input;
  if (typeof input === 'string')
    return input.includes('PRIVATE KEY') ? createPrivateKey(input) : createPublicKey(input);
  const jwk = input as JsonWebKey;
  return jwk.d === undefined
    ? createPublicKey({ key: jwk, format: 'jwk' })
    : createPrivateKey({ key: jwk, format: 'jwk' });
}

function importSecret(input: SigningKeyInput): SigningKey {
  const secret = input instanceof KeyObject ? input : createSecretKey(secretBytes(input));
  const kid = createHash('sha256').update('token-family kid').update(secret.export()).digest('base64url');
  return { kid, algorithm: 'HS256', privateKey: secret, publicKey: secret };
}

/** A PEM is refused: as a secret, a public key would let everybody sign. */
function secretBytes(input: SigningKeyInput): Uint8Array {
  if (typeof input === 'string' && !input.includes('-----BEGIN')) return Buffer.from(input);
  if (input instanceof Uint8Array) return input;
  const { kty, k } = input as JsonWebKey;
  if (kty === 'oct' && typeof k === 'string') return Buffer.from(k, 'base64url');
  throw new TypeError('No secret');
}

/** What speaks against using a key for an algorithm; null when nothing does. */
export function faultOf(
  { publicKey }: Pick<SigningKey, 'publicKey'>,
  algorithm: SigningAlgorithm,
): string | null {
  const details = publicKey.asymmetricKeyDetails;
  switch (algorithm) {
    case 'ES256':
      return details?.namedCurve === 'prime256v1' ? null : 'must be a key on the curve P-256 for ES256';
    case 'RS256':
      return publicKey.asymmetricKeyType === 'rsa' &&
        (details?.modulusLength ?? 0) >= MIN_RSA_BITS &&
        details?.publicExponent === RSA_EXPONENT
        ? null
        : `must be an RSA key of ${MIN_RSA_BITS} bits or more with exponent 65537 for RS256`;
    case 'HS256':
      return publicKey.type === 'secret' && (publicKey.symmetricKeySize ?? 0) >= MIN_SECRET_BYTES
        ? null
        : `must be a secret of ${MIN_SECRET_BYTES} bytes or more for HS256`;
  }
}

/** The one algorithm a public key is for; null for a key of another kind, or one that is too weak. */
export function asymmetricAlgorithmOf(publicKey: KeyObject): SigningAlgorithm | null {
  const algorithm = publicKey.asymmetricKeyType === 'rsa' ? 'RS256' : 'ES256';
  return faultOf({ publicKey }, algorithm) === null ? algorithm : null;
}

/**
 * Imports public keys for a node that only verifies; their kinds decide their algorithms.
 *
 * @param path the option they are from, for the faults
 * @returns the keys, and a fault for each that cannot serve; a fault names the position and never the material
 */
export function importVerificationKeys(
  inputs: readonly SigningKeyInput[],
  path: string,
): { keys: VerificationKey[]; faults: string[] } {
  const keys: VerificationKey[] = [];
  const faults: string[] = [];
  for (const [index, input] of inputs.entries()) {
    const publicKey = publicKeyOf(input);
    const algorithm = publicKey && asymmetricAlgorithmOf(publicKey);
    if (publicKey && algorithm) keys.push({ kid: thumbprint(publicKey), algorithm, publicKey });
    else
      faults.push(
        `${path}[${index}] must be a public key: P-256 for ES256, or RSA of 2048 bits or more for RS256`,
      );
  }
  return { keys, faults };
}

function publicKeyOf(input: SigningKeyInput): KeyObject | null {
  try {
    const key = asKeyObject(input);
    return key.type === 'private' ? createPublicKey(key) : key;
  } catch {
    return null;
  }
}

/** RFC 7638: SHA-256 over the required members of the public JWK, in lexicographic order. */
export function thumbprint(publicKey: KeyObject): string {
  const { kty, crv, x, y, e, n } = publicKey.export({ format: 'jwk' });
  const members = kty === 'RSA' ? { e, kty, n } : { crv, kty, x, y };
  return createHash('sha256').update(JSON.stringify(members)).digest('base64url');
}
