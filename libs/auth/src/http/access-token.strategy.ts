import { Injectable } from '@nestjs/common';
import { PassportStrategy } from '@nestjs/passport';
import { Passport } from 'passport';
import { Strategy } from 'passport-jwt';
import type { AccessTokenClaims } from '../core/access-token.js';
import { AccessTokenVerifier } from '../jwt/verification.js';
import { readBearerToken } from './bearer.js';
import type { HttpRequest } from './http-request.js';

/**
 * passport-jwt with our rules around it: the shape and header before it picks a key, the claims after it has
 * verified the signature.
 *
 * Registered with a Passport of its own, not the process-wide one: two applications in one process, or two
 * issuers in one application, must not share a strategy by name. `AccessGuard` holds the instance.
 */
@Injectable()
export class AccessTokenStrategy extends PassportStrategy(Strategy) {
  constructor(private readonly verifier: AccessTokenVerifier) {
    super({
      jwtFromRequest: (request: unknown) => readBearerToken(request as HttpRequest),
      secretOrKeyProvider: (
        _request: unknown,
        token: string,
        done: (error: unknown, key?: never) => void,
      ) => {
        let key: unknown;
        try {
          key = verifier.keyFor(token);
        } catch (error) {
          return done(error);
        }
        done(null, key as never);
      },
      jsonWebTokenOptions: verifier.signatureOptions,
      algorithms: verifier.signatureOptions.algorithms,
      ignoreExpiration: true,
    });
  }

  validate(payload: unknown): AccessTokenClaims {
    return this.verifier.accept(payload);
  }

  getPassportInstance(): unknown {
    return new Passport();
  }
}
