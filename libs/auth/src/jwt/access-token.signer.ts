import { randomInt, randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { JwtService } from '@nestjs/jwt';
import { buildClaims } from '../core/access-token.js';
import type { Claims, Grant } from '../core/family.js';
import { jitteredLifetime } from '../core/lifetime.js';
import type { ResolvedOptions } from '../core/options.js';
import type { SignAccessToken } from '../core/ports.js';
import type { KeyRing, SigningKey } from './key-ring.js';

const RANDOM_STEPS = 1 << 20;

@Injectable()
export class AccessTokenSigner {
  constructor(
    private readonly jwt: JwtService,
    private readonly ring: KeyRing,
    private readonly options: ResolvedOptions,
  ) {}

  /**
   * Takes the active key in hand: what it signs a moment later is good, whatever becomes of the ring meanwhile.
   *
   * @throws {UnavailableError} this node has no key to sign with at the moment
   */
  take(): SignAccessToken {
    const key = this.ring.active;
    return (grant, own, now) => this.#sign(key, grant, own, now);
  }

  /**
   * Nothing here can fail on account of others. `exp` is never later than the end of the family.
   *
   * @see RFC 9068 section 2
   */
  #sign(
    { kid, algorithm, privateKey }: SigningKey,
    grant: Grant,
    own: Claims,
    now: number,
  ): ReturnType<SignAccessToken> {
    const { issuer, audience, accessToken } = this.options;
    const iat = Math.floor(now / 1000);
    const lifetime = jitteredLifetime(
      accessToken.lifetime,
      accessToken.jitter,
      randomInt(RANDOM_STEPS) / RANDOM_STEPS,
    );
    const exp = Math.min(iat + lifetime, Math.floor(grant.expiresAt / 1000));
    const claims = buildClaims(
      {
        issuer,
        audience,
        subject: grant.subject,
        clientId: grant.clientId,
        sid: grant.familyId,
        scope: grant.scope,
        jti: randomUUID(),
        iat,
        exp,
        authTime: Math.floor(grant.issuedAt / 1000),
      },
      own,
    );
    const header = { typ: 'at+jwt', alg: algorithm, kid };
    const token = this.jwt.sign(claims, {
      privateKey: privateKey as never,
      algorithm,
      header,
    });
    return { accessToken: token, expiresIn: exp - iat };
  }
}
