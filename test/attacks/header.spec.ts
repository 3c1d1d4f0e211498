import { createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { createServer, type AddressInfo } from 'node:net';
import * as jsonwebtoken from 'jsonwebtoken';
import { signingKey } from '../support/node.js';
import { byTitle, es256, selfSignedCertificate, title, type Json, type Parts } from './forge.js';
import { onBoth } from './target.js';
import { expectAccepted, expectRefused } from './verdicts.js';

const attacker = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const attackersJwk = attacker.publicKey.export({ format: 'jwk' });
const ourJwk = createPublicKey(signingKey).export({ format: 'jwk' });
const byAttacker = es256(attacker.privateKey);

onBoth((node) => {
  /** One token for each header: with our good signature, so that nothing but the header speaks against it. */
  const tokens = (headers: Record<string, Json | string>, parts: Parts = {}): Record<string, string> =>
    byTitle(Object.entries(headers).map(([name, header]) => [name, node.forge.token({ ...parts, header })]));
  const each = (name: string, values: readonly unknown[]): Record<string, Json> =>
    byTitle(values.map((value) => [title(value), { [name]: value }]));

  test('A6 a key that comes with the token verifies nothing', async () => {
    const headers = {
      jwk: { jwk: attackersJwk },
      'jwk, and its own kid': { jwk: { ...attackersJwk, kid: 'evil' }, kid: 'evil' },
      'jwk of a secret': { alg: 'HS256', jwk: { kty: 'oct', k: 'c2VjcmV0' } },
      'jwk with our kid in it': { jwk: { ...attackersJwk, kid: node.forge.header['kid'] } },
      'jwk as a text': { jwk: JSON.stringify(attackersJwk) },
      epk: { epk: attackersJwk },
    };
    await expectRefused(node, tokens(headers, { signer: byAttacker }));
    await expectRefused(node, tokens({ 'our own jwk, signed by us': { jwk: ourJwk } }));
  });

  test('A7 an address in a token is never called', async () => {
    let calls = 0;
    const canary = createServer((socket) => {
      calls++;
      socket.destroy();
    });
    await new Promise<void>((resolve) => canary.listen(0, '127.0.0.1', resolve));
    canary.unref();
    const url = `http://127.0.0.1:${(canary.address() as AddressInfo).port}/`;
    const headers = {
      jku: { jku: `${url}jwks.json` },
      x5u: { x5u: `${url}chain.pem` },
      'jku and a kid nobody knows': { jku: `${url}jwks.json`, kid: 'evil' },
      'a kid that is an address': { kid: `${url}key` },
      both: { jku: url, x5u: url },
      'an issuer to be discovered': { iss: url, kid: 'evil' },
    };
    await expectRefused(node, tokens(headers, { signer: byAttacker, claims: { iss: url } }));
    await expectRefused(node, tokens(headers));
    expect(calls).toBe(0);
    await new Promise((resolve) => canary.close(resolve));
  });

  test('A8 a certificate that comes with the token verifies nothing', async () => {
    const certificate = selfSignedCertificate(attacker.privateKey, attacker.publicKey);
    expect(new X509Certificate(certificate).verify(attacker.publicKey)).toBe(true);
    const x5c = [certificate.toString('base64')];
    const headers = {
      x5c: { x5c },
      'x5c and a kid nobody knows': { x5c, kid: 'evil' },
      'x5t#S256': { 'x5t#S256': new X509Certificate(certificate).fingerprint256, x5c },
      'no certificate': { x5c: [] },
    };
    await expectRefused(node, tokens(headers, { signer: byAttacker }));
    await expectRefused(node, tokens(headers));
  });

  test('A9 a kid is looked up to the letter: no path, no query, no property', async () => {
    const kid = node.forge.header['kid'] as string;
    const kids = [
      '../../dev/null',
      '/proc/sys/kernel/randomize_va_space',
      "' OR 1=1--",
      "' UNION SELECT 'secret'--",
      '|| sleep 5',
      '$(sleep 5)',
      '__proto__',
      'constructor',
      'toString',
      'hasOwnProperty',
      '',
      ' ',
      '*',
      '0',
      'undefined',
      `${kid} `,
      `${kid}\u0000`,
      kid.slice(0, -1),
      kid.toUpperCase(),
      'k'.repeat(900),
      'k'.repeat(65_536),
      0,
      1,
      true,
      null,
      [kid],
      { toString: kid },
      [],
    ];
    const started = performance.now();
    await expectRefused(node, tokens(each('kid', kids)));
    await expectRefused(node, tokens(each('kid', kids), { signer: byAttacker }));
    // None of the sleeps was slept.
    expect(performance.now() - started).toBeLessThan(5000);
  });

  test('A29 the typ of another kind of JWT, or none, is refused', async () => {
    const typs = [
      undefined,
      null,
      '',
      'JWT',
      'jwt',
      'rt+jwt',
      'id+jwt',
      'logout+jwt',
      'dpop+jwt',
      'secevent+jwt',
      'token-introspection+jwt',
      'at+jwt;x=1',
      'at+jwt ',
      ' at+jwt',
      'at jwt',
      'at-jwt',
      'application/jwt',
      'application/application/at+jwt',
      'text/at+jwt',
      'at+jwt\u0000',
      'at+jwt,JWT',
      ['at+jwt'],
      { typ: 'at+jwt' },
      1,
      true,
    ];
    await expectRefused(node, tokens(each('typ', typs)));
  });

  test('A30 the typ of an access token is a media type, in any case and with or without its prefix', async () => {
    await expectAccepted(node, tokens(each('typ', ['application/at+jwt', 'AT+JWT', 'Application/At+Jwt'])));
  });

  test('A32 another JWT of this issuer, with the same key, opens nothing', async () => {
    const { iss, sub, exp, iat } = node.forge.claims as Record<string, string & number>;
    const { kid } = node.forge.header as { kid: string };
    const identity = { iss, sub, exp, iat };
    // An independent library, as another service of the same issuer would use.
    const issue = (payload: object, header: object = {}) =>
      jsonwebtoken.sign({ ...identity, ...payload }, signingKey, {
        algorithm: 'ES256',
        header: { alg: 'ES256', kid, ...header },
      });
    await expectRefused(node, {
      'an ID token': issue({ aud: 'web', nonce: 'n', auth_time: iat }),
      'an ID token for our audience': issue({ ...node.forge.claims }),
      'an e-mail verification': issue({ email: 'alice@example.org', purpose: 'verify' }),
      'a CSRF token': issue({ csrf: 'x' }),
      'a logout token': issue({ events: {}, sid: node.forge.claims['sid'] }, { typ: 'logout+jwt' }),
      'a refresh token as JWT': issue({ ...node.forge.claims }, { typ: 'rt+jwt' }),
      'a DPoP proof': issue({ htm: 'GET', htu: node.url }, { typ: 'dpop+jwt' }),
      'an access token of the first half of a login': issue({ mfa: 'pending' }, { typ: 'at+jwt' }),
    });
  });

  test('A33 an extension nobody here understands is refused, critical or not', async () => {
    await expectRefused(
      node,
      tokens({
        'crit that names a claim': { crit: ['exp'] },
        'crit that names a member': { crit: ['x'], x: 1 },
        'crit of nothing': { crit: [] },
        'crit in a text': { crit: 'x' },
        'crit null': { crit: null },
        'crit of alg': { crit: ['alg'] },
        'b64 false': { b64: false },
        'b64 false, and critical': { b64: false, crit: ['b64'] },
        'b64 true, and critical': { b64: true, crit: ['b64'] },
        cty: { cty: 'JWT' },
        zip: { zip: 'DEF' },
        enc: { enc: 'A256GCM' },
        p2c: { p2c: 2 ** 31, p2s: 'AAAA' },
        'a member of no standard': { extra: 1 },
        'a member in another case': { ALG: 'none' },
        'an inherited alg': '{"typ":"at+jwt","kid":"a","__proto__":{"alg":"ES256"}}',
      }),
    );
    const genuine = JSON.stringify(node.forge.header);
    await expectRefused(
      node,
      tokens({ 'a prototype': genuine.replace('{', '{"__proto__":{"admin":true},') }),
    );
  });
});
