import {
  createSecretKey,
  generateKeyPairSync,
  randomBytes,
  sign,
  type KeyObject,
  type KeyPairKeyObjectResult,
} from 'node:crypto';
import { SignJWT } from 'jose';
import type { AccessTokenPolicy } from '../../libs/auth/src/core/access-token.js';
import { InvalidTokenError, UnavailableError } from '../../libs/auth/src/core/errors.js';
import type { KeySource } from '../../libs/auth/src/core/ports.js';
import { KeyRing, type VerificationKey } from '../../libs/auth/src/jwt/key-ring.js';
import { AccessTokenVerifier, type TrustedIssuer } from '../../libs/auth/src/jwt/verification.js';

/*
 * Access tokens made without the code under test, by an independent library or byte by byte, and a verifier of its
 * own for each, on a clock that stands still.
 */

export const NOW = Date.UTC(2026, 0, 1);
export const IAT = NOW / 1000;
const policy: AccessTokenPolicy = {
  issuer: 'https://issuer.test',
  audience: ['https://api.test'],
  maxLifetime: 300,
  clockTolerance: 5,
};
export const claims = {
  iss: 'https://issuer.test',
  sub: 'alice',
  aud: 'https://api.test',
  exp: IAT + 300,
  iat: IAT,
  auth_time: IAT - 60,
  jti: 'one',
  client_id: 'web',
  sid: '0194fde8-9000-7000-8000-000000000001',
};

export const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
let rsaPair: KeyPairKeyObjectResult | undefined;
/** Made where it is needed: it takes longer than most specs. */
export const rsa = () => (rsaPair ??= generateKeyPairSync('rsa', { modulusLength: 2048 }));
export const secret = createSecretKey(randomBytes(32));
export const ALGORITHMS = ['ES256', 'RS256', 'HS256'] as const;
export type Algorithm = (typeof ALGORITHMS)[number];
export const keyOf: Record<Algorithm, VerificationKey> = {
  ES256: { kid: 'ec', algorithm: 'ES256', publicKey: ec.publicKey },
  RS256: {
    kid: 'rsa',
    algorithm: 'RS256',
    get publicKey() {
      return rsa().publicKey;
    },
  },
  HS256: { kid: 'secret', algorithm: 'HS256', publicKey: secret },
};
const signs: Record<Algorithm, () => KeyObject> = {
  ES256: () => ec.privateKey,
  RS256: () => rsa().privateKey,
  HS256: () => secret,
};

export const encode = (text: string | Buffer) => Buffer.from(text).toString('base64url');
export const headerOf = (algorithm: Algorithm, changes: object = {}) =>
  JSON.stringify({ typ: 'at+jwt', alg: algorithm, kid: keyOf[algorithm].kid, ...changes });

/** By an independent library. */
export const byJose = (algorithm: Algorithm, payload: object = claims, kid = keyOf[algorithm].kid) =>
  new SignJWT({ ...payload })
    .setProtectedHeader({ typ: 'at+jwt', alg: algorithm, kid })
    .sign(signs[algorithm]());

/** Byte by byte: what no library would sign. */
export function byHand(
  header: string | Buffer = headerOf('ES256'),
  payload: string | Buffer = JSON.stringify(claims),
  signature: (signed: Buffer) => Buffer = (signed) =>
    sign('sha256', signed, { key: ec.privateKey, dsaEncoding: 'ieee-p1363' }),
): string {
  const signed = `${encode(header)}.${encode(payload)}`;
  return `${signed}.${encode(signature(Buffer.from(signed)))}`;
}

interface IssuerSettings {
  readonly iss?: string;
  readonly keys?: readonly VerificationKey[];
  /** what its source of keys has to add, once it is asked; `null` while it cannot be reached */
  readonly news?: readonly VerificationKey[] | null;
}

/** An issuer that is believed, and what its source of keys was asked. */
export function issuer({ iss = policy.issuer, keys = Object.values(keyOf), news = [] }: IssuerSettings = {}) {
  const ring = new KeyRing();
  ring.replace(keys);
  const asked: string[] = [];
  const source: KeySource = {
    refresh: async () => void asked.push('refresh'),
    seek: async () => {
      asked.push('seek');
      if (!news) throw new UnavailableError('ERR_VERIFICATION_KEYS_UNAVAILABLE');
      ring.replace([...keys, ...news]);
    },
  };
  return { ring, source, policy: { ...policy, issuer: iss }, asked };
}

/** On a clock that stands still. */
export function verifier(issuers: readonly TrustedIssuer[] = [issuer()], now = NOW): AccessTokenVerifier {
  return new AccessTokenVerifier(issuers, { now: () => now, monotonic: () => now });
}

export async function outcome(check: () => unknown): Promise<string> {
  try {
    await check();
    return 'accepted';
  } catch (error) {
    if (error instanceof InvalidTokenError || error instanceof UnavailableError) return error.code;
    throw error;
  }
}
export const INVALID = 'ERR_ACCESS_TOKEN_INVALID';
export const EXPIRED = 'ERR_ACCESS_TOKEN_EXPIRED';
export const judge = (token: string, now = NOW) => outcome(() => verifier(undefined, now).verify(token));
