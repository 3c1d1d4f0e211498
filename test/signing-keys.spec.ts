import {
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  generateKeyPairSync,
  randomBytes,
  type KeyObject,
} from 'node:crypto';
import { calculateJwkThumbprint, type JWK } from 'jose';
import { importSigningKeys } from '../libs/auth/src/jwt/signing-keys.js';
import type { SigningAlgorithm, SigningKeyInput } from '../libs/auth/src/core/options.js';

const pem = (key: KeyObject) =>
  key.export({ type: key.type === 'private' ? 'pkcs8' : 'spki', format: 'pem' }).toString();
const jwk = (key: KeyObject) => key.export({ format: 'jwk' });
const ec = (namedCurve = 'P-256') => generateKeyPairSync('ec', { namedCurve });
const rsa = (modulusLength = 2048, publicExponent = 0x10001) =>
  generateKeyPairSync('rsa', { modulusLength, publicExponent });

const p256 = ec();
const rsa2048 = rsa();
const secret = randomBytes(32);

const faultsOf = (inputs: SigningKeyInput[], algorithm: SigningAlgorithm) =>
  importSigningKeys(inputs, algorithm).faults;

describe('a key pair', () => {
  const pairs = [
    ['ES256', p256],
    ['RS256', rsa2048],
  ] as const;
  const forms = [
    ['PEM', pem],
    ['JWK', jwk],
    ['KeyObject', (key: KeyObject) => key],
  ] as const;
  const table = pairs.flatMap(([algorithm, pair]) =>
    forms.map(([form, give]) => [algorithm, form, pair, give] as const),
  );

  test.each(table)('%s as %s signs under the RFC 7638 thumbprint of its public part', async (...row) => {
    const [algorithm, , { privateKey, publicKey }, give] = row;
    const { keys, faults } = importSigningKeys([give(privateKey)], algorithm);
    expect(faults).toEqual([]);
    expect(keys[0]!.kid).toBe(await calculateJwkThumbprint(jwk(publicKey) as JWK));
    expect(keys[0]!.privateKey!.equals(privateKey)).toBe(true);
    expect(keys[0]!.publicKey.equals(publicKey)).toBe(true);
  });

  test.each(table)('%s as %s may be public where another one signs', (...row) => {
    const [algorithm, , { publicKey }, give] = row;
    const signs = algorithm === 'ES256' ? ec().privateKey : rsa().privateKey;
    const { keys, faults } = importSigningKeys([signs, give(publicKey)], algorithm);
    expect(faults).toEqual([]);
    expect(keys[1]).toMatchObject({ privateKey: null });
  });

  test('the older PEM forms are read: SEC 1 and PKCS #1', () => {
    const sec1 = p256.privateKey.export({ type: 'sec1', format: 'pem' }).toString();
    const pkcs1 = rsa2048.privateKey.export({ type: 'pkcs1', format: 'pem' }).toString();
    expect(faultsOf([sec1], 'ES256')).toEqual([]);
    expect(faultsOf([pkcs1], 'RS256')).toEqual([]);
  });

  test('members of a JWK beside the key itself do not change its kid', async () => {
    const { keys } = importSigningKeys([{ ...jwk(p256.privateKey), kid: 'mine', use: 'sig' }], 'ES256');
    expect(keys[0]!.kid).toBe(await calculateJwkThumbprint(jwk(p256.publicKey) as JWK));
  });
});

describe('a key that cannot serve is a fault', () => {
  test.each<[string, SigningAlgorithm, () => SigningKeyInput, RegExp]>([
    ['RSA of 1024 bits', 'RS256', () => rsa(1024).privateKey, /2048 bits/],
    ['RSA with exponent 3', 'RS256', () => rsa(2048, 3).privateKey, /exponent 65537/],
    [
      'RSA-PSS',
      'RS256',
      () => generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).privateKey,
      /cannot be read/,
    ],
    ['P-384', 'ES256', () => ec('P-384').privateKey, /P-256/],
    ['secp256k1', 'ES256', () => ec('secp256k1').privateKey, /P-256/],
    ['Ed25519', 'ES256', () => generateKeyPairSync('ed25519').privateKey, /P-256/],
    ['RSA', 'ES256', () => rsa2048.privateKey, /P-256/],
    ['EC', 'RS256', () => p256.privateKey, /RSA key/],
    ['a secret', 'ES256', () => createSecretKey(secret), /P-256/],
    ['a key pair', 'HS256', () => p256.privateKey, /secret|read/],
    ['a public key', 'ES256', () => p256.publicKey, /must be a private key/],
    ['a text that is no PEM', 'ES256', () => 'hunter2', /cannot be read/],
    ['a PEM cut short', 'ES256', () => pem(p256.privateKey).slice(0, 80), /cannot be read/],
    [
      'a JWK without its curve',
      'ES256',
      () => ({ ...jwk(p256.privateKey), crv: undefined }),
      /cannot be read/,
    ],
    ['null', 'ES256', () => null as never, /cannot be read/],
    ['a secret of 31 bytes', 'HS256', () => 'x'.repeat(31), /32 bytes/],
    ['a KeyObject of 31 bytes', 'HS256', () => createSecretKey(randomBytes(31)), /32 bytes/],
    ['an empty secret', 'HS256', () => '', /32 bytes|read/],
  ])('%s first, for %s', (_, algorithm, give, remedy) => {
    const faults = faultsOf([give()], algorithm);
    expect(faults).toHaveLength(1);
    expect(faults[0]).toMatch(/^accessToken\.keys\[0\] /);
    expect(faults[0]).toMatch(remedy);
  });

  test('the same key twice, in another form or half, is a fault', () => {
    const again = [jwk(p256.privateKey), pem(p256.publicKey)];
    expect(faultsOf([p256.privateKey, ...again], 'ES256')).toEqual([
      'accessToken.keys[1] is the same key as one before it: remove it',
      'accessToken.keys[2] is the same key as one before it: remove it',
    ]);
    expect(faultsOf([secret, createSecretKey(secret)], 'HS256')).toHaveLength(1);
  });

  test('every bad key is named, by its place', () => {
    const faults = faultsOf([p256.publicKey, 'hunter2', ec('P-384').publicKey], 'ES256');
    expect(faults.map((fault) => fault.split(' ')[0])).toEqual(
      [0, 1, 2].map((at) => `accessToken.keys[${at}]`),
    );
  });

  test('no fault repeats the material', () => {
    const material = pem(p256.privateKey).replace('PRIVATE', 'PRIVATE hunter2');
    const faults = faultsOf(['hunter2', material, { kty: 'hunter2', d: 'hunter2' }], 'ES256');
    expect(faults).toHaveLength(3);
    expect(faults.join()).not.toContain('hunter2');
  });
});

const kidOf = (input: SigningKeyInput) => importSigningKeys([input], 'HS256').keys[0]!.kid;

describe('a secret for HS256', () => {
  test.each<[string, SigningKeyInput]>([
    ['a text', 'a secret of thirty-two bytes, or more'],
    ['bytes', secret],
    ['a KeyObject', createSecretKey(secret)],
  ])('%s of 32 bytes or more serves', (_, input) => {
    const { keys, faults } = importSigningKeys([input], 'HS256');
    expect(faults).toEqual([]);
    expect(keys[0]!.privateKey!.equals(keys[0]!.publicKey)).toBe(true);
  });

  test('its kid is the same in every form, and does not give a guess of it away', async () => {
    expect(kidOf(secret)).toBe(kidOf(createSecretKey(secret)));
    expect(kidOf(secret)).not.toBe(kidOf(randomBytes(32)));
    const plain = await calculateJwkThumbprint(createSecretKey(secret).export({ format: 'jwk' }));
    expect(kidOf(secret)).not.toBe(plain);
  });
});

describe('what is imported', () => {
  test('is a KeyObject and no text: text would be imported again for every token', () => {
    const [key] = importSigningKeys([pem(p256.privateKey)], 'ES256').keys;
    expect(key!.privateKey!.equals(createPrivateKey(pem(p256.privateKey)))).toBe(true);
    expect(key!.publicKey.equals(createPublicKey(pem(p256.privateKey)))).toBe(true);
  });
});

describe('a key from the environment', () => {
  test.each([
    ['a variable that is not set', undefined, /is empty: set the variable/],
    ['an empty variable', '', /is empty: set the variable/],
    ['a PEM on one line', '-----BEGIN PRIVATE KEY-----\\nMIG\\n', /in place of its line breaks/],
  ])('%s gets its own remedy', (_, input, remedy) => {
    expect(importSigningKeys([input as string], 'ES256').faults).toEqual([expect.stringMatching(remedy)]);
  });
});
