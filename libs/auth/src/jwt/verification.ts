import type { KeyObject } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { JwtService } from '@nestjs/jwt';
import {
  checkClaims,
  checkHeader,
  type AccessTokenClaims,
  type AccessTokenPolicy,
} from '../core/access-token.js';
import { AuthError, InvalidTokenError } from '../core/errors.js';
import type { Clock } from '../core/ports.js';
import { readCompactHeader } from './compact.js';
import type { KeyRing } from './key-ring.js';

/**
 * The one list of rules for access tokens, for the passport strategy and direct callers alike:
 * `keyFor` before the signature, `accept` after it.
 *
 * Revocation is not asked here: the guard does that, for every request.
 */
@Injectable()
export class AccessTokenVerifier {
  constructor(
    private readonly jwt: JwtService,
    private readonly ring: KeyRing,
    private readonly policy: AccessTokenPolicy,
    private readonly clock: Clock,
  ) {}

  /** The signature check handed to jsonwebtoken; everything else it could check is checked, stricter, by `accept`. */
  get signatureOptions(): {
    algorithms: [KeyRing['algorithm']];
    ignoreExpiration: true;
    ignoreNotBefore: true;
  } {
    return { algorithms: [this.ring.algorithm], ignoreExpiration: true, ignoreNotBefore: true };
  }

  /**
   * The key a token must be signed with, from its shape and header alone.
   *
   * @throws {InvalidTokenError} malformed, wrong `typ` or `alg`, unknown `kid`
   */
  keyFor(token: string): KeyObject {
    const key = this.ring.verificationKey(checkHeader(readCompactHeader(token), this.ring.algorithm));
    if (!key) throw new InvalidTokenError('ERR_ACCESS_TOKEN_INVALID');
    return key;
  }

  /**
   * Judges the claims of a token whose signature is good.
   *
   * @returns the claims, frozen and without a prototype
   * @throws {InvalidTokenError} expired, or not for us
   */
  accept(payload: unknown): AccessTokenClaims {
    return checkClaims(payload, this.policy, this.clock.now());
  }

  /**
   * Verifies a token outside a request.
   *
   * @throws {InvalidTokenError} the only error, whatever is wrong with the token
   */
  verify(token: string): AccessTokenClaims {
    try {
      return this.accept(
        this.jwt.verify(token, { publicKey: this.keyFor(token) as never, ...this.signatureOptions }),
      );
    } catch (error) {
      throw error instanceof AuthError
        ? error
        : new InvalidTokenError('ERR_ACCESS_TOKEN_INVALID', { cause: error });
    }
  }
}
