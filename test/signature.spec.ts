import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import {
  ALGORITHMS,
  byHand,
  byJose,
  claims,
  ec,
  encode,
  headerOf,
  INVALID,
  issuer,
  judge,
  NOW,
  outcome,
  rsa,
  secret,
  verifier,
  type Algorithm,
} from './support/access-tokens.js';

describe('a signature', () => {
  const raw: Record<Algorithm, (signed: Buffer) => Buffer> = {
    ES256: (signed) => sign('sha256', signed, { key: ec.privateKey, dsaEncoding: 'ieee-p1363' }),
    RS256: (signed) => sign('sha256', signed, rsa().privateKey),
    HS256: (signed) => createHmac('sha256', secret).update(signed).digest(),
  };
  const spoilt = (algorithm: Algorithm, spoil: (signature: Buffer) => Buffer) =>
    byHand(headerOf(algorithm), undefined, (signed) => spoil(raw[algorithm](signed)));

  describe.each(ALGORITHMS)('of %s', (algorithm) => {
    test('made by hand is good', async () => {
      expect(await judge(spoilt(algorithm, (signature) => signature))).toBe('accepted');
    });

    test('with a bit of any of its bytes changed is bad', async () => {
      const size = raw[algorithm](Buffer.alloc(1)).length;
      const flipped = (at: number) => (signature: Buffer) => {
        signature[at]! ^= 1 << (at % 8);
        return signature;
      };
      for (let at = 0; at < size; at++) {
        expect(await judge(spoilt(algorithm, flipped(at)))).toBe(INVALID);
      }
    });

    test.each<[title: string, spoil: (signature: Buffer) => Buffer]>([
      ['one byte', () => Buffer.alloc(1)],
      ['its first half', (signature) => signature.subarray(0, signature.length / 2)],
      ['a byte less', (signature) => signature.subarray(0, -1)],
      ['a byte more', (signature) => Buffer.concat([signature, Buffer.alloc(1)])],
      ['twice itself', (signature) => Buffer.concat([signature, signature])],
      ['zeros', (signature) => Buffer.alloc(signature.length)],
      ['ones', (signature) => Buffer.alloc(signature.length, 0xff)],
    ])('is bad as %s', async (_, spoil) => {
      expect(await judge(spoilt(algorithm, spoil))).toBe(INVALID);
    });

    test('is over the header and the claims it stands beside', async () => {
      const [one, other] = [await byJose(algorithm), await byJose(algorithm, { ...claims, sub: 'bob' })];
      const [header, , signature] = one.split('.');
      expect(await judge([header, other.split('.')[1], signature].join('.'))).toBe(INVALID);
      const respelt = encode(` ${Buffer.from(header!, 'base64url').toString()}`);
      expect(await judge([respelt, ...one.split('.').slice(1)].join('.'))).toBe(INVALID);
    });
  });

  test('of ES256 is the two numbers, never DER', async () => {
    const token = byHand(undefined, undefined, (signed) => sign('sha256', signed, ec.privateKey));
    expect(await judge(token)).toBe(INVALID);
  });

  test('of another key under our kid is bad', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const token = byHand(undefined, undefined, (signed) =>
      sign('sha256', signed, { key: privateKey, dsaEncoding: 'ieee-p1363' }),
    );
    expect(await judge(token)).toBe(INVALID);
  });
});

describe('the algorithm is the key’s, whatever the header asks for', () => {
  const hmac = (key: string | Buffer) => (signed: Buffer) =>
    createHmac('sha256', key).update(signed).digest();
  const published = ec.publicKey.export({ type: 'spki', format: 'pem' }).toString();

  test.each<[title: string, token: string]>([
    [
      'HS256 with the published key as PEM',
      byHand(headerOf('ES256', { alg: 'HS256' }), undefined, hmac(published)),
    ],
    [
      'HS256 with the published key as DER',
      byHand(
        headerOf('ES256', { alg: 'HS256' }),
        undefined,
        hmac(ec.publicKey.export({ type: 'spki', format: 'der' })),
      ),
    ],
    ['HS256 with an empty key', byHand(headerOf('ES256', { alg: 'HS256' }), undefined, hmac(''))],
    ['none', byHand(headerOf('ES256', { alg: 'none' }), undefined, () => Buffer.alloc(1))],
    ['None', byHand(headerOf('ES256', { alg: 'None' }), undefined, () => Buffer.alloc(1))],
    ['another one, over a signature that is good', byHand(headerOf('ES256', { alg: 'RS256' }))],
    ['ours in another case, over a signature that is good', byHand(headerOf('ES256', { alg: 'es256' }))],
  ])('%s is refused, and no key is looked for', async (_, token) => {
    const ours = issuer();
    const each = verifier([ours]);
    expect(await outcome(() => each.verify(token))).toBe(INVALID);
    expect(await outcome(() => each.verifyNow(token))).toBe(INVALID);
    expect(await outcome(() => each.keyFor(token))).toBe(INVALID);
    expect(ours.asked).toEqual([]);
  });
});

test('what nobody signed says nothing of its claims: not even that it has expired', async () => {
  const [header, payload] = (await byJose('ES256')).split('.');
  const unsigned = `${header}.${payload}.${encode(Buffer.alloc(64, 1))}`;
  expect(await judge(unsigned, NOW + 86_400_000)).toBe(INVALID);
});
