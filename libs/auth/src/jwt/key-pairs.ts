import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto';
import type { ManagedAlgorithm, NewSigningKey, StoredSigningKey } from '../core/key-schedule.js';
import type { KeyEncryption } from './key-encryption.js';
import type { SigningKey } from './key-ring.js';
import { faultOf, thumbprint } from './signing-keys.js';

const RSA_BITS = 3072;

/** A new key pair for `algorithm`, its private part sealed. An RSA key takes some hundred milliseconds, off the main thread. */
export async function generateSigningKey(
  algorithm: ManagedAlgorithm,
  encryption: KeyEncryption,
): Promise<NewSigningKey> {
  const { publicKey, privateKey } = await generate(algorithm);
  const kid = thumbprint(publicKey);
  const sealed = encryption.seal(kid, privateKey.export({ type: 'pkcs8', format: 'der' }));
  return { kid, algorithm, publicKey: { ...publicKey.export({ format: 'jwk' }) }, privateKey: sealed };
}

interface KeyPair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

function generate(algorithm: ManagedAlgorithm): Promise<KeyPair> {
  return new Promise((resolve, reject) => {
    const done = (error: Error | null, publicKey: KeyObject, privateKey: KeyObject) =>
      error ? reject(error) : resolve({ publicKey, privateKey });
    switch (algorithm) {
      case 'ES256':
        return generateKeyPair('ec', { namedCurve: 'P-256' }, done);
      case 'RS256':
        return generateKeyPair('rsa', { modulusLength: RSA_BITS, publicExponent: 0x10001 }, done);
    }
  });
}

/** A stored key as far as it serves: null when nothing can be done with it, without a private key when it only verifies. */
export interface ImportedKey {
  readonly key: SigningKey | null;
  /** names the key and the remedy; null when the key is as good as its row says */
  readonly fault: string | null;
}

/**
 * Reads a key from its row, and trusts nothing there: the `kid` must be the thumbprint of the public key, the public
 * key must be fit for the algorithm, and what was sealed must be the private key to it.
 */
export function importStoredKey(stored: StoredSigningKey, encryption: KeyEncryption): ImportedKey {
  const named = `signing key ${stored.kid}`;
  const publicKey = readPublicKey(stored);
  if (typeof publicKey === 'string') {
    return { key: null, fault: `${named} ${publicKey}: restore its row in the database, or delete it` };
  }
  const key = { kid: stored.kid, algorithm: stored.algorithm as ManagedAlgorithm, publicKey };
  if (!stored.privateKey) return { key: { ...key, privateKey: null }, fault: null };
  try {
    return { key: { ...key, privateKey: openPrivateKey(stored, publicKey, encryption) }, fault: null };
  } catch (error) {
    const remedy =
      'give the one it was sealed under in accessToken.managedKeys.encryptionKeys, or restore its row';
    return { key: { ...key, privateKey: null }, fault: `${named} ${(error as Error).message}: ${remedy}` };
  }
}

const ALGORITHMS: readonly string[] = ['ES256', 'RS256'] satisfies ManagedAlgorithm[];

/** The key, or what speaks against it. */
function readPublicKey({ kid, algorithm, publicKey: jwk }: StoredSigningKey): KeyObject | string {
  if (!ALGORITHMS.includes(algorithm)) return 'is for an algorithm this version does not know';
  let publicKey: KeyObject;
  try {
    publicKey = createPublicKey({ key: jwk, format: 'jwk' });
  } catch {
    return 'has a public key that cannot be read';
  }
  if (thumbprint(publicKey) !== kid) return 'has the public key of another kid';
  return faultOf({ publicKey }, algorithm as ManagedAlgorithm) ?? publicKey;
}

function openPrivateKey(
  { kid, privateKey: sealed }: StoredSigningKey,
  publicKey: KeyObject,
  encryption: KeyEncryption,
): KeyObject {
  const der = encryption.open(kid, sealed!);
  try {
    const privateKey = createPrivateKey({ key: der, type: 'pkcs8', format: 'der' });
    if (createPublicKey(privateKey).equals(publicKey)) return privateKey;
  } catch {
    // The reason may quote the material.
  } finally {
    der.fill(0);
  }
  throw new Error('holds no private key of its public one');
}
