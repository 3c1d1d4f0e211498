import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { calculateJwkThumbprint, exportJWK, SignJWT, type JWK } from 'jose';

export interface IssuerKey {
  readonly kid: string;
  readonly jwk: JWK;
  readonly privateKey: KeyObject;
}

/** An issuer of the tests' own, by an independent library: its keys, its JWKS endpoint, and how that one misbehaves. */
export interface FakeIssuer {
  readonly issuer: string;
  readonly jwksUri: string;
  /** what its endpoint answers with; replace it to misbehave */
  answer: (response: ServerResponse) => void;
  /** how often it was asked */
  readonly fetches: () => number;
  publish(...keys: readonly JWK[]): void;
  /** a good token, signed with `key`, with changes */
  token(key: IssuerKey, claims?: Record<string, unknown>, header?: Record<string, unknown>): Promise<string>;
  close(): Promise<void>;
}

export async function issuerKey(kid?: string): Promise<IssuerKey> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const jwk = await exportJWK(publicKey);
  const name = kid ?? (await calculateJwkThumbprint(jwk));
  return { kid: name, jwk: { ...jwk, kid: name }, privateKey };
}

export async function startIssuer(port = 0): Promise<FakeIssuer> {
  let fetches = 0;
  let keys: readonly JWK[] = [];
  const server = createServer((_, response) => {
    fetches++;
    self.answer(response);
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const self: FakeIssuer = {
    issuer: `${origin}/issuer`,
    jwksUri: `${origin}/keys`,
    answer: (response) => response.end(JSON.stringify({ keys })),
    fetches: () => fetches,
    publish: (...published) => {
      keys = published;
    },
    token: ({ kid, privateKey }, claims = {}, header = {}) => {
      const iat = Math.floor(Date.now() / 1000);
      const plain = {
        iss: self.issuer,
        sub: 'alice',
        aud: 'api',
        jti: 'one',
        client_id: 'web',
        sid: 'session',
      };
      return new SignJWT({ ...plain, iat, exp: iat + 300, ...claims })
        .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid, ...header })
        .sign(privateKey);
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return self;
}
