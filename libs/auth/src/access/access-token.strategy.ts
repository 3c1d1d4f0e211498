import { Injectable } from '@nestjs/common';
import { PassportStrategy } from '@nestjs/passport';
import { Passport } from 'passport';
import { Strategy } from 'passport-jwt';
import type { AccessTokenClaims } from '../core/access-token.js';
import { AccessTokenVerifier } from '../jwt/verification.js';

/** What passport is given in place of a request: it writes nine properties onto the one it gets. */
export interface PassportRequest {
  readonly token: string;
  user?: AccessTokenClaims;
}

/** Each key serves one of them, and `keyFor` hands out none for a token that names another. */
const ALGORITHMS: ['ES256', 'RS256', 'HS256'] = ['ES256', 'RS256', 'HS256'];

/**
 * passport-jwt, for a token whose key has to be waited for; the rules are the verifier's, before and after.
 *
 * Registered with a Passport of its own, not the process-wide one: two applications in one process, or two
 * issuers in one application, must not share a strategy by name. `AccessGuard` holds the instance.
 */
@Injectable()
export class AccessTokenStrategy extends PassportStrategy(Strategy) {
  constructor(private readonly verifier: AccessTokenVerifier) {
    super({
      jwtFromRequest: (request: unknown) => (request as PassportRequest).token,
      secretOrKeyProvider: (
        _request: unknown,
        token: string,
        done: (error: unknown, key?: never) => void,
      ) => {
        verifier.keyFor(token).then(({ publicKey }) => done(null, publicKey as never), done);
      },
      algorithms: ALGORITHMS,
      ignoreExpiration: true,
      jsonWebTokenOptions: { ignoreNotBefore: true },
      passReqToCallback: true,
    });
  }

  /** What the library parsed has forgotten how it was spelt, so the verifier reads the token itself. */
  validate({ token }: PassportRequest): Promise<AccessTokenClaims> {
    return this.verifier.verify(token);
  }

  getPassportInstance(): unknown {
    return new Passport();
  }
}
