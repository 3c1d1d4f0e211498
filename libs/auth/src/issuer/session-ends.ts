import { InvalidGrantError, SessionMismatchError } from '../core/errors.js';
import type { RevocationReason } from '../core/family.js';
import type { AccessTokens, RefreshTokenStore, RevokedFamily, TokenEventSink } from '../core/ports.js';
import type { RevocationMemory } from '../core/revocation-ports.js';
import type { RefreshTokenCodec } from '../core/refresh-token.js';
import { isUuid } from '../core/uuid.js';
import { checkName, checkReason } from './arguments.js';
import type { AuditTrail } from './audit-trail.js';
import { decodeOrNull, verifyOrNull } from './introspection.js';
import type { EndOptions, RevokeOptions, RevokeTokenOptions } from './token.options.js';

/** Ends sessions: what `TokenService` promises of it is said there. */
export class SessionEnds {
  constructor(
    private readonly store: RefreshTokenStore,
    private readonly codec: RefreshTokenCodec,
    private readonly accessTokens: Pick<AccessTokens, 'verify'>,
    private readonly revocations: RevocationMemory,
    private readonly events: TokenEventSink,
    private readonly trail: Pick<AuditTrail, 'keptUp'>,
  ) {}

  async revoke(sid: string, { subject, reason = 'logout' }: RevokeOptions): Promise<boolean> {
    checkReason(reason);
    const revoked = isUuid(sid) ? await this.store.revoke(sid, reason, subject) : null;
    if (revoked) this.tell([revoked], reason);
    return revoked !== null;
  }

  async revokeToken(token: string, { clientId, sid }: RevokeTokenOptions): Promise<boolean> {
    const owner = await this.#ownerOf(token, sid);
    if (!owner) return false;
    if (clientId !== undefined && clientId !== owner.clientId) {
      throw new InvalidGrantError('ERR_REFRESH_TOKEN_CLIENT_MISMATCH');
    }
    return this.revoke(owner.sid, {});
  }

  async revokeAll(
    subject: string,
    { except, reason = 'logout' }: { except?: string; reason?: RevocationReason },
  ): Promise<number> {
    if (except !== undefined && !isUuid(except)) throw new TypeError('except must be a session id');
    checkReason(reason);
    const revoked = await this.store.revokeSubject(subject, reason, except);
    this.tell(revoked, reason);
    return revoked.length;
  }

  async revokeClient(clientId: string, options: EndOptions): Promise<number> {
    checkName('clientId', clientId);
    return this.#revokeEvery({ clientId }, options);
  }

  async revokeEveryone(options: EndOptions): Promise<number> {
    return this.#revokeEvery({}, options);
  }

  /** Once they are committed: to this node, to the others, and to whoever listens. */
  tell(families: readonly RevokedFamily[], reason: RevocationReason): void {
    this.revocations.learn(families.map(({ sid }) => sid));
    for (const family of families) this.events.emit({ type: 'revoked', ...family, reason });
  }

  /**
   * Whose a token is; null for what is no token of ours, or none any more.
   *
   * @throws {SessionMismatchError} it says itself that it is of another session than `meant`
   */
  async #ownerOf(
    token: string,
    meant: string | undefined,
  ): Promise<{ readonly sid: string; readonly clientId: string } | null> {
    const refreshToken = decodeOrNull(this.codec, token);
    if (refreshToken) {
      assertMeant(refreshToken.familyId, meant);
      const { family } = await this.store.look(refreshToken.familyId);
      if (!family?.rootHash.equals(refreshToken.rootHash)) return null;
      return { sid: family.familyId, clientId: family.clientId };
    }
    const claims = await verifyOrNull(this.accessTokens, token);
    if (claims) assertMeant(claims.sid, meant);
    return claims && { sid: claims.sid, clientId: claims.client_id };
  }

  async #revokeEvery(
    which: { readonly clientId?: string },
    { reason = 'administrative' }: EndOptions,
  ): Promise<number> {
    checkReason(reason);
    let count = 0;
    await this.store.revokeEvery(which, reason, (families) => {
      count += families.length;
      this.tell(families, reason);
      // A step makes more entries than the trail keeps for long.
      return this.trail.keptUp();
    });
    return count;
  }
}

function assertMeant(sid: string, meant: string | undefined): void {
  if (meant !== undefined && meant !== sid) throw new SessionMismatchError();
}
