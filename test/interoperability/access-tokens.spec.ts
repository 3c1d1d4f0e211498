import {
  createPublicKey,
  createSecretKey,
  generateKeyPairSync,
  randomBytes,
  type KeyObject,
} from 'node:crypto';
import { createSigner, createVerifier } from 'fast-jwt';
import {
  calculateJwkThumbprint,
  createRemoteJWKSet,
  decodeProtectedHeader,
  exportJWK,
  jwtVerify,
  SignJWT,
} from 'jose';
import * as jsonwebtoken from 'jsonwebtoken';
import { allowInsecureRequests, validateJwtAccessToken } from 'oauth4webapi';
import type { SigningAlgorithm } from 'nestjs-token-family';
import { es256, hmac, rsa, type Signer } from '../attacks/forge.js';
import { startNode, type Node } from '../attacks/target.js';
import { expectAccepted, expectRefused } from '../attacks/verdicts.js';
import { options } from '../support/node.js';

const ISSUER = 'https://issuer.test';
const AUDIENCE = 'https://api.test';
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
const rsaKey = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
const secret = createSecretKey(randomBytes(32));

interface Keys {
  readonly sign: KeyObject;
  readonly verify: KeyObject;
  readonly signer: Signer;
}
const keysOf: Record<SigningAlgorithm, Keys> = {
  ES256: { sign: ec, verify: createPublicKey(ec), signer: es256(ec) },
  RS256: { sign: rsaKey, verify: createPublicKey(rsaKey), signer: rsa(rsaKey) },
  HS256: { sign: secret, verify: secret, signer: hmac(secret) },
};
/** fast-jwt takes text or bytes. */
const asText = (key: KeyObject) =>
  key.type === 'secret'
    ? key.export()
    : key.export({ type: key.type === 'private' ? 'pkcs8' : 'spki', format: 'pem' });

describe.each(['ES256', 'RS256', 'HS256'] as const)('our tokens under %s', (algorithm) => {
  const { sign, verify, signer } = keysOf[algorithm];
  let node: Node;
  let token: string;
  let claims: Record<string, unknown>;
  beforeAll(async () => {
    const given = options({ accessToken: { keys: [sign], algorithm } });
    node = await startNode('express', { options: given, signer });
    ({ accessToken: token } = await node.tokens.issue('zoë', {
      scope: 'read write',
      claims: { roles: ['語'] },
    }));
    claims = {
      sub: 'zoë',
      scope: 'read write',
      roles: ['語'],
      iss: ISSUER,
      aud: AUDIENCE,
      client_id: 'default',
    };
  });
  afterAll(() => node.close());

  test('are verified by jose', async () => {
    const { payload, protectedHeader } = await jwtVerify(token, verify, {
      issuer: ISSUER,
      audience: AUDIENCE,
      typ: 'at+jwt',
      algorithms: [algorithm],
      requiredClaims: ['iss', 'sub', 'aud', 'exp', 'iat', 'jti', 'client_id', 'sid', 'auth_time'],
      maxTokenAge: '5m',
    });
    expect(payload).toMatchObject(claims);
    expect(Object.keys(protectedHeader).toSorted()).toEqual(['alg', 'kid', 'typ']);
  });

  test('are verified by jsonwebtoken', () => {
    const payload = jsonwebtoken.verify(token, verify, {
      issuer: ISSUER,
      audience: AUDIENCE,
      algorithms: [algorithm],
      maxAge: '5m',
    });
    expect(payload).toMatchObject(claims);
  });

  test('are verified by fast-jwt', () => {
    const verifier = createVerifier({
      key: asText(verify),
      algorithms: [algorithm],
      allowedIss: ISSUER,
      allowedAud: AUDIENCE,
      checkTyp: 'at+jwt',
    });
    expect(verifier(token)).toMatchObject(claims);
  });

  test('are ours again when another library signs what they say', async () => {
    const { header, claims: body } = node.forge as unknown as {
      header: { kid: string };
      claims: Record<string, unknown>;
    };
    const fast = createSigner({
      key: asText(sign),
      algorithm,
      kid: header.kid,
      header: { typ: 'at+jwt', alg: algorithm, kid: header.kid },
    });
    const tokens = {
      jose: await new SignJWT(body)
        .setProtectedHeader({ typ: 'at+jwt', alg: algorithm, kid: header.kid })
        .sign(sign),
      jsonwebtoken: jsonwebtoken.sign(body, sign, {
        algorithm,
        header: { typ: 'at+jwt', alg: algorithm, kid: header.kid },
      }),
      'fast-jwt': fast(body),
    };
    const users = await expectAccepted(node, tokens);
    for (const user of Object.values(users)) expect(user).toEqual(body);
    const typeless = jsonwebtoken.sign(body, sign, { algorithm, keyid: header.kid });
    await expectRefused(node, { 'as a JWT of no further type': typeless });
  });

  if (algorithm !== 'HS256') {
    test('are verified by jose with the keys we publish', async () => {
      const keys = createRemoteJWKSet(new URL(`${node.url}/.well-known/jwks.json`));
      const { payload } = await jwtVerify(token, keys, { issuer: ISSUER, audience: AUDIENCE, typ: 'at+jwt' });
      expect(payload).toMatchObject(claims);
      expect(decodeProtectedHeader(token).kid).toBe(await calculateJwkThumbprint(await exportJWK(verify)));
    });

    test('pass the RFC 9068 validation of oauth4webapi, with the keys we publish', async () => {
      const server = { issuer: ISSUER, jwks_uri: `${node.url}/.well-known/jwks.json` };
      const validate = (authorization: string, audience = AUDIENCE) =>
        validateJwtAccessToken(
          server,
          new Request('https://api.test/me', { headers: { authorization } }),
          audience,
          {
            [allowInsecureRequests]: true,
          },
        );
      expect(await validate(`Bearer ${token}`)).toMatchObject(claims);
      await expect(validate(`Bearer ${token}`, 'https://other.test')).rejects.toThrow('unexpected JWT "aud"');
      await expect(validate(`Bearer ${token.slice(0, -4)}AAAA`)).rejects.toThrow('signature');
    });
  }
});
