import { randomBytes } from 'node:crypto';
import type { JudgedSigningKey, KeyPolicy, NewSigningKey } from '../../libs/auth/src/core/key-schedule.js';

const HOUR = 3_600_000;

/** milliseconds */
export const policy: KeyPolicy = {
  algorithm: 'ES256',
  rotateEvery: 720 * HOUR,
  publishLead: HOUR,
  verifyFor: HOUR + 365_000,
};

/** Of a shape to be stored; no key anybody could sign with. */
export function candidateKey(changes: Partial<NewSigningKey> = {}): NewSigningKey {
  const kid = randomBytes(32).toString('base64url');
  return {
    kid,
    algorithm: 'ES256',
    publicKey: { kty: 'EC', x: kid },
    privateKey: randomBytes(80),
    authenticator: randomBytes(33),
    ...changes,
  };
}

export function storedKey(changes: Partial<JudgedSigningKey> = {}): JudgedSigningKey {
  return {
    ...candidateKey(),
    state: 'active',
    standing: 'sound',
    publishedAt: 0,
    activatedAt: null,
    retiredAt: null,
    verifyUntil: null,
    revokedAt: null,
    ...changes,
  };
}
