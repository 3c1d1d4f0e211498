import { generateKeyPairSync, randomBytes, verify } from 'node:crypto';
import type { CanActivate, ExecutionContext, ModuleMetadata } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { AuthGuard, PassportModule, PassportStrategy } from '@nestjs/passport';
import { jwtVerify } from 'jose';
import jwt from 'jsonwebtoken';
import { ExtractJwt, Strategy } from 'passport-jwt';
import type { Library } from './library.js';

/** One way of guarding a route, as a Nest team would write it or install it. */
export interface GuardUnderTest {
  readonly name: string;
  readonly guard: CanActivate;
  /** what its requests carry, one after the other */
  readonly tokens: readonly string[];
  close(): Promise<void>;
}

const ISSUER = 'https://issuer.test';
const AUDIENCE = 'https://api.test';
const TOKENS = 256;

const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const secret = randomBytes(32).toString('base64');

/** As others issue them, with the claims of ours, so that everybody reads as many bytes. */
function tokensOf(algorithm: 'ES256' | 'HS256'): string[] {
  const sid = '0194fde8-9000-7000-8000-000000000001';
  const now = Math.floor(Date.now() / 1000);
  const common = { iss: ISSUER, aud: AUDIENCE, client_id: 'default', sid, auth_time: now, exp: now + 3600 };
  return Array.from({ length: TOKENS }, (_, n) =>
    jwt.sign(
      { ...common, sub: `user-${n}`, jti: randomBytes(18).toString('hex') },
      algorithm === 'ES256' ? pair.privateKey : secret,
      { algorithm },
    ),
  );
}

export function noGuard(): GuardUnderTest {
  const guard = { canActivate: () => true };
  return { name: 'no guard', guard, tokens: tokensOf('ES256'), close: async () => {} };
}

/** @param cacheSize 1: a token that comes again has been forgotten, so every one of them is fresh */
export async function ours(
  library: Library,
  name: string,
  cacheSize: number,
  count = TOKENS,
): Promise<GuardUnderTest> {
  const auth = library.AuthModule.forRoot({
    issuer: ISSUER,
    audience: AUDIENCE,
    accessToken: { keys: [pair.privateKey], lifetime: '1h', jitter: 0, cacheSize },
    refreshToken: { keys: [{ id: 1, secret: randomBytes(32) }] },
    store: 'memory',
  });
  const app = await boot({ imports: [auth] });
  const issued = Array.from({ length: count }, (_, n) => app.get(library.TokenService).issue(`user-${n}`));
  const tokens = (await Promise.all(issued)).map(({ accessToken }) => accessToken);
  return { name, guard: app.get(library.AccessGuard), tokens, close: () => app.close() };
}

/** `AuthGuard('jwt')` over passport-jwt as the Nest documentation writes it; the form of the key is all that differs. */
export async function docsRecipe(form: 'a secret' | 'a PEM' | 'a KeyObject'): Promise<GuardUnderTest> {
  const pem = pair.publicKey.export({ type: 'spki', format: 'pem' }) as string;
  const keys = { 'a secret': secret, 'a PEM': pem, 'a KeyObject': pair.publicKey as never };

  class JwtStrategy extends PassportStrategy(Strategy, form) {
    constructor() {
      super({
        jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(),
        ignoreExpiration: false,
        secretOrKey: keys[form],
      });
    }

    validate({ sub, jti }: { sub: string; jti: string }): object {
      return { sub, jti };
    }
  }
  const app = await boot({ imports: [PassportModule], providers: [JwtStrategy] });
  const guard = new (AuthGuard(form))();
  const tokens = tokensOf(form === 'a secret' ? 'HS256' : 'ES256');
  return { name: `AuthGuard('jwt'), ${form}`, guard, tokens, close: () => app.close() };
}

export function joseGuard(): GuardUnderTest {
  const guard: CanActivate = {
    async canActivate(context: ExecutionContext) {
      const request = context
        .switchToHttp()
        .getRequest<{ headers: { authorization: string }; user: unknown }>();
      const token = request.headers.authorization.slice('Bearer '.length);
      const expected = { issuer: ISSUER, audience: AUDIENCE, algorithms: ['ES256'] };
      request.user = (await jwtVerify(token, pair.publicKey, expected)).payload;
      return true;
    },
  };
  return { name: 'a guard with jose', guard, tokens: tokensOf('ES256'), close: async () => {} };
}

/** The least a fresh token can cost on this machine: its signature alone, taken apart beforehand. */
export function rawVerify(): { count: number; verifyAll: () => void } {
  const parts = tokensOf('ES256').map((token) => {
    const dot = token.lastIndexOf('.');
    return {
      data: Buffer.from(token.slice(0, dot)),
      signature: Buffer.from(token.slice(dot + 1), 'base64url'),
    };
  });
  const key = { key: pair.publicKey, dsaEncoding: 'ieee-p1363' } as const;
  return {
    count: parts.length,
    verifyAll: () => {
      for (const { data, signature } of parts) {
        if (!verify('sha256', data, key, signature)) throw new Error('A good signature was refused');
      }
    },
  };
}

function boot(metadata: ModuleMetadata) {
  class BenchModule {}
  return NestFactory.createApplicationContext({ module: BenchModule, ...metadata }, { logger: false });
}
