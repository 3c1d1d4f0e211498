import { createSecretKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import type { SigningAlgorithm, SigningKeyInput } from 'nestjs-token-family';
import { options } from '../support/node.js';
import { byHeader, bySigner, es256, hmac, hmacs, pss, rsa, spellingsOf, type Signer } from './forge.js';
import { startNode, withNodes } from './target.js';
import { expectAccepted, expectRefused } from './verdicts.js';

const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const strangerRsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const nothing: Signer = () => Buffer.alloc(0);

describe('with the key of another algorithm', () => {
  const rsaKeys = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const secret = randomBytes(32);
  const start = (algorithm: SigningAlgorithm, key: SigningKeyInput, signer: Signer) =>
    startNode('express', { options: options({ accessToken: { keys: [key], algorithm } }), signer });

  test('A3 A4 A5 an RS256 key verifies RS256 and nothing else', () =>
    withNodes([start('RS256', rsaKeys.privateKey, rsa(rsaKeys.privateKey))], async (node) => {
      const kid = node.forge.header['kid'] as string;
      const secrets = hmacs(spellingsOf(rsaKeys.publicKey, kid));
      await expectAccepted(node, { 'made byte by byte': node.forge.token() });
      await expectRefused(node, bySigner(node.forge, { alg: 'HS256' }, secrets));
      await expectRefused(node, bySigner(node.forge, { alg: 'RS256' }, secrets));
      await expectRefused(
        node,
        byHeader(
          node.forge,
          ['rs256', 'PS256', 'RS384', 'RS512', 'ES256', 'none'].map((alg) => ({ alg })),
        ),
      );
      await expectRefused(node, {
        PS256: node.forge.token({ header: { alg: 'PS256' }, signer: pss(rsaKeys.privateKey) }),
        'PSS in an RS256 header': node.forge.token({ signer: pss(rsaKeys.privateKey) }),
        RS512: node.forge.token({ header: { alg: 'RS512' }, signer: rsa(rsaKeys.privateKey, 'sha512') }),
        'SHA-512 in an RS256 header': node.forge.token({ signer: rsa(rsaKeys.privateKey, 'sha512') }),
        'SHA-1 in an RS256 header': node.forge.token({ signer: rsa(rsaKeys.privateKey, 'sha1') }),
        'another RSA key': node.forge.token({ signer: rsa(strangerRsa.privateKey) }),
        'ES256 of a stranger': node.forge.token({
          header: { alg: 'ES256' },
          signer: es256(stranger.privateKey),
        }),
        'no signature': node.forge.token({ signer: nothing }),
        zeros: node.forge.token({ signer: () => Buffer.alloc(256) }),
        one: node.forge.token({ signer: () => Buffer.concat([Buffer.alloc(255), Buffer.from([1])]) }),
        'a zero before': node.forge.token({
          signer: (signed) => Buffer.concat([Buffer.alloc(1), rsa(rsaKeys.privateKey)(signed)]),
        }),
      });
    }));

  test('A3 A5 A10 an HS256 secret verifies HS256 and nothing else', () =>
    withNodes([start('HS256', createSecretKey(secret), hmac(secret))], async (node) => {
      await expectAccepted(node, { 'made byte by byte': node.forge.token() });
      await expectRefused(
        node,
        byHeader(
          node.forge,
          ['hs256', 'HS384', 'HS512', 'ES256', 'RS256', 'none'].map((alg) => ({ alg })),
        ),
      );
      await expectRefused(node, {
        HS512: node.forge.token({ header: { alg: 'HS512' }, signer: hmac(secret, 'sha512') }),
        'SHA-512 in an HS256 header': node.forge.token({ signer: hmac(secret, 'sha512') }),
        'half of the MAC': node.forge.token({ signer: (signed) => hmac(secret)(signed).subarray(0, 16) }),
        'the secret in base64': node.forge.token({ signer: hmac(secret.toString('base64')) }),
        'the kid for a secret': node.forge.token({ signer: hmac(node.forge.header['kid'] as string) }),
        'an empty secret': node.forge.token({ signer: hmac('') }),
        'no signature': node.forge.token({ signer: nothing }),
        'ES256 of a stranger': node.forge.token({
          header: { alg: 'ES256' },
          signer: es256(stranger.privateKey),
        }),
      });
    }));
});
