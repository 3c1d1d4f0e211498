import type { AccessTokenClaims } from '../core/access-token.js';
import { AuthError, InvalidTokenError, UnavailableError } from '../core/errors.js';
import type { AccessPolicy, Clock } from '../core/ports.js';
import type { RevocationCheck } from '../core/revocation-ports.js';
import type { AccessTokenVerifier } from '../jwt/verification.js';

/** A token that was good when it came, and the keys it was verified under. */
export interface HeldToken {
  readonly token: string;
  readonly claims: AccessTokenClaims;
  keyVersion: number;
}

/** Verifies tokens that are held on to for longer than a request, and tells later whether they are still good. */
export class HeldTokens {
  constructor(
    private readonly verifier: AccessTokenVerifier,
    private readonly revocations: RevocationCheck,
    private readonly policy: AccessPolicy,
    private readonly clock: Clock,
  ) {}

  /**
   * @throws {InvalidTokenError} whatever is wrong with it, revocation included
   * @throws {UnavailableError} it cannot be told
   */
  async verify(token: string): Promise<HeldToken> {
    const { keyVersion } = this.verifier;
    const claims = this.verifier.verifyNow(token) ?? (await this.verifier.verify(token));
    this.#assertAlive(claims, this.clock.now());
    return { token, claims, keyVersion };
  }

  /**
   * For one look at all of them: what has become of each, null while it is good.
   *
   * A key that is gone shows by one signature for each key, not for each token: thousands would hold everybody up. The
   * claims of that one token are not asked, as its faults are not those of the others.
   *
   * @param now milliseconds since the epoch on this node's clock
   */
  lookAt(now: number): (held: HeldToken) => AuthError | null {
    const { keyVersion } = this.verifier;
    const byKey = new Map<string, AuthError | null>();
    return (held) => {
      const fault = faultOf(() => this.#assertAlive(held.claims, now));
      if (fault || held.keyVersion === keyVersion) return fault;
      const key = `${held.token.slice(0, held.token.indexOf('.'))} ${held.claims.iss}`;
      let ofKey = byKey.get(key);
      if (ofKey === undefined) {
        ofKey = faultOf(() => this.#assertKeyKnown(held));
        byKey.set(key, ofKey);
      }
      held.keyVersion = keyVersion;
      return ofKey;
    };
  }

  #assertAlive(claims: AccessTokenClaims, now: number): void {
    if (now / 1000 >= claims.exp + this.policy.clockTolerance) {
      throw new InvalidTokenError('ERR_ACCESS_TOKEN_EXPIRED');
    }
    if (this.revocations.isRevoked(claims.sid, now, claims))
      throw new InvalidTokenError('ERR_ACCESS_TOKEN_REVOKED');
  }

  #assertKeyKnown({ token, claims }: HeldToken): void {
    if (!this.verifier.hasKeyFor(token, claims.iss)) throw new InvalidTokenError('ERR_ACCESS_TOKEN_INVALID');
  }
}

/** Whatever else a source of keys came up with: nobody can tell from it that a token is bad. */
export function asAuthError(error: unknown): AuthError {
  return error instanceof AuthError
    ? error
    : new UnavailableError('ERR_VERIFICATION_KEYS_UNAVAILABLE', { cause: error });
}

function faultOf(check: () => void): AuthError | null {
  try {
    check();
    return null;
  } catch (error) {
    return asAuthError(error);
  }
}
