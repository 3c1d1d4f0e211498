import { UnavailableError } from '../core/errors.js';
import type { RevocationCheck } from '../core/revocation-ports.js';

/**
 * What is revoked, asked of the issuer whose session it is: none can end another one's, nor be in the way when it is out
 * of reach.
 */
export class RevocationsByIssuer implements RevocationCheck {
  constructor(private readonly checks: ReadonlyMap<string, RevocationCheck>) {}

  isRevoked(sid: string, now: number, token: { readonly iss: string }): boolean {
    const check = this.checks.get(token.iss);
    if (!check) throw new UnavailableError('ERR_REVOCATIONS_STALE');
    return check.isRevoked(sid, now, token);
  }

  onRevoked(listener: (sids: readonly string[], issuer: string) => void): () => void {
    const ends = [...this.checks].map(([issuer, check]) => check.onRevoked((sids) => listener(sids, issuer)));
    return () => {
      for (const end of ends) end();
    };
  }
}
