import { createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { signingKey } from '../support/node.js';
import {
  byHeader,
  bySigner,
  byTitle,
  es256,
  hmacs,
  ORDER,
  rsa,
  scalar,
  spellingsOf,
  title,
  type Signer,
} from './forge.js';
import { onBoth } from './target.js';
import { expectAccepted, expectRefused } from './verdicts.js';

const publicKey = createPublicKey(signingKey);
const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const strangerRsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const nothing: Signer = () => Buffer.alloc(0);

onBoth((node) => {
  test('a token made byte by byte with our key passes, so that what is refused below is refused for its fault', async () => {
    await expectAccepted(node, {
      plain: node.forge.token(),
      'with changes': node.forge.token({ claims: { a: 1 } }),
    });
  });

  test('A2 an alg of none, in any spelling or none at all, is refused with and without a signature', async () => {
    const algs = [
      'none',
      'None',
      'NONE',
      'nOnE',
      'none ',
      '',
      undefined,
      null,
      ['ES256'],
      { ES256: 1 },
      0,
      true,
    ];
    const headers = algs.map((alg) => ({ alg }));
    await expectRefused(node, byHeader(node.forge, headers, nothing));
    await expectRefused(
      node,
      byHeader(node.forge, headers, () => Buffer.alloc(64)),
    );
    await expectRefused(node, byHeader(node.forge, headers));
  });

  test('A3 the alg is compared to the letter, whatever the signature', async () => {
    const algs = ['es256', 'Es256', 'ES256 ', ' ES256', 'ES-256', 'ES256K', 'ecdsa', 'ESP256', 'ES256\u0000'];
    await expectRefused(
      node,
      byHeader(
        node.forge,
        algs.map((alg) => ({ alg })),
      ),
    );
  });

  test('A4 the public key is a secret in no spelling', async () => {
    const kid = node.forge.header['kid'] as string;
    const secrets = hmacs(spellingsOf(publicKey, kid));
    expect(Object.keys(secrets).length).toBeGreaterThanOrEqual(8);
    await expectRefused(node, bySigner(node.forge, { alg: 'HS256' }, secrets));
    await expectRefused(node, bySigner(node.forge, { alg: 'ES256' }, secrets));
  });

  test('A5 a key serves its own algorithm alone', async () => {
    const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey;
    const ed25519 = generateKeyPairSync('ed25519').privateKey;
    const own = byHeader(
      node.forge,
      ['RS256', 'PS256', 'ES384', 'ES512', 'EdDSA', 'HS256'].map((alg) => ({ alg })),
    );
    await expectRefused(node, own);
    await expectRefused(node, {
      RS256: node.forge.token({ header: { alg: 'RS256' }, signer: rsa(strangerRsa.privateKey) }),
      'RS256 in an ES256 header': node.forge.token({ signer: rsa(strangerRsa.privateKey) }),
      'ES256 over SHA-384': node.forge.token({
        signer: (signed) => sign('sha384', signed, { key: signingKey, dsaEncoding: 'ieee-p1363' }),
      }),
      'ES384 of a P-384 key': node.forge.token({
        header: { alg: 'ES384' },
        signer: (signed) => sign('sha384', signed, { key: p384, dsaEncoding: 'ieee-p1363' }),
      }),
      EdDSA: node.forge.token({ header: { alg: 'EdDSA' }, signer: (signed) => sign(null, signed, ed25519) }),
    });
  });

  test('A10 no key is not an empty key', async () => {
    const words = ['', 'undefined', 'null', 'false', '0', '[object Object]', 'secret', '\u0000'];
    const secrets = hmacs(byTitle(words.map((word) => [title(word), word])));
    for (const kid of [node.forge.header['kid'], 'unknown', undefined, null]) {
      await expectRefused(node, bySigner(node.forge, { alg: 'HS256', kid }, secrets));
      await expectRefused(node, bySigner(node.forge, { alg: 'ES256', kid }, secrets));
    }
    await expectRefused(node, byHeader(node.forge, [{ kid: 'unknown' }, { kid: undefined }, { kid: null }]));
  });

  test('A11 a psychic signature is none: zero, one and the order of the curve are numbers of no signature', async () => {
    const [zero, one, order, less] = [0n, 1n, ORDER, ORDER - 1n].map(scalar) as [
      Buffer,
      Buffer,
      Buffer,
      Buffer,
    ];
    const most = Buffer.alloc(32, 0xff);
    const good = es256(signingKey);
    const r = (signed: Buffer) => good(signed).subarray(0, 32);
    const s = (signed: Buffer) => good(signed).subarray(32);
    await expectRefused(
      node,
      bySigner(
        node.forge,
        {},
        {
          'r = s = 0': () => Buffer.concat([zero, zero]),
          'r = 0': (signed) => Buffer.concat([zero, s(signed)]),
          's = 0': (signed) => Buffer.concat([r(signed), zero]),
          'r = n': (signed) => Buffer.concat([order, s(signed)]),
          's = n': (signed) => Buffer.concat([r(signed), order]),
          'r = s = n': () => Buffer.concat([order, order]),
          'r = s = 1': () => Buffer.concat([one, one]),
          'r = 1, s = 0': () => Buffer.concat([one, zero]),
          'r = s = n - 1': () => Buffer.concat([less, less]),
          'r = s = 2^256 - 1': () => Buffer.concat([most, most]),
          'no signature': nothing,
          'zero in DER': () => Buffer.from('3006020100020100', 'hex'),
          'one byte': () => Buffer.alloc(1),
          'a zero before': (signed) => Buffer.concat([Buffer.alloc(1), good(signed)]),
          'a zero after': (signed) => Buffer.concat([good(signed), Buffer.alloc(1)]),
          'a zero before r and s': (signed) =>
            Buffer.concat([Buffer.alloc(1), r(signed), Buffer.alloc(1), s(signed)]),
          'a byte short': (signed) => good(signed).subarray(0, 63),
          'r alone': r,
          's and r': (signed) => Buffer.concat([s(signed), r(signed)]),
          twice: (signed) => Buffer.concat([good(signed), good(signed)]),
        },
      ),
    );
  });

  test('A12 an ECDSA signature in DER is none', async () => {
    await expectRefused(node, {
      DER: node.forge.token({ signer: (signed) => sign('sha256', signed, signingKey) }),
    });
  });

  test('A37 a token of another environment is refused, and nothing is said of its claims', async () => {
    const signer = es256(stranger.privateKey);
    const expired = { iat: 1_700_000_000, exp: 1_700_000_300 };
    await expectRefused(node, {
      'under our kid': node.forge.token({ signer }),
      'under its own': node.forge.token({ signer, header: { kid: 'staging' } }),
      expired: node.forge.token({ signer, claims: expired }),
      'expired, and unsigned': node.forge.token({ signer: () => Buffer.alloc(64, 1), claims: expired }),
      'of another scope': node.forge.token({ signer, claims: { scope: 'admin' } }),
    });
  });
});
