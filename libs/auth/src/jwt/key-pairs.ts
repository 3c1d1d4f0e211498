import { generateKeyPair, type KeyObject } from 'node:crypto';
import type { ManagedAlgorithm, NewSigningKey } from '../core/key-schedule.js';
import type { KeyEncryption } from './key-encryption.js';
import { thumbprint } from './signing-keys.js';

const RSA_BITS = 3072;

/** A new key pair for `algorithm`, its private part sealed, its public one authenticated. An RSA key takes some hundred milliseconds, off the main thread. */
export async function generateSigningKey(
  algorithm: ManagedAlgorithm,
  encryption: KeyEncryption,
): Promise<NewSigningKey> {
  const { publicKey, privateKey } = await generate(algorithm);
  const kid = thumbprint(publicKey);
  const sealed = encryption.seal(kid, privateKey.export({ type: 'pkcs8', format: 'der' }));
  return {
    kid,
    algorithm,
    publicKey: { ...publicKey.export({ format: 'jwk' }) },
    privateKey: sealed,
    authenticator: encryption.authenticate({ kid, algorithm }),
  };
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
