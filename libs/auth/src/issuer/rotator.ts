import {
  InvalidGrantError,
  InvalidRequestError,
  InvalidScopeError,
  UnavailableError,
  type AuthErrorCode,
} from '../core/errors.js';
import type { TokenEvent } from '../core/events.js';
import type { Claims, Family, Grant } from '../core/family.js';
import type { Clock, Look, RefreshTokenStore, Rotation, Stamped, TokenEventSink } from '../core/ports.js';
import type { RevocationMemory } from '../core/revocation-ports.js';
import type { RefreshTokenCodec, RefreshTokenParts } from '../core/refresh-token.js';
import { decideRotation, type Refusal, type Verdict } from '../core/rotation.js';
import { narrowScope } from '../core/scope.js';
import type { ClaimsSource } from './claims.source.js';
import type { RefreshVerdict } from './issuer-tally.js';

export interface RefreshAttempt {
  readonly token: RefreshTokenParts;
  readonly clientId: string;
  readonly attemptHash: Buffer | null;
  /** as the client asked for it; null for all that was granted */
  readonly scope: string | null;
  /** on this node's monotonic clock, milliseconds */
  readonly receivedAt: number;
}

/** What a refresh came to: the token to hand out, and what the access token beside it says. */
export interface Refreshed {
  readonly verdict: RefreshVerdict;
  readonly token: RefreshTokenParts;
  /** its scope is that of the access token */
  readonly grant: Grant & Stamped;
  readonly claims: Claims;
}

interface Attempt extends RefreshAttempt {
  readonly successor: RefreshTokenParts;
}

/** More would let a request that lay in a queue for minutes pass for a fresh one. */
const MAX_WAITED = 30_000;
const MAX_LOOKS = 3;
const LONG_WAIT = 1_000;

/**
 * Spends a refresh token, once in the whole system: one conditional statement when all is well; otherwise look,
 * judge, and write on the condition that what was judged still holds.
 *
 * Everything that can fail comes before the write; reuse is first committed, then reported.
 */
export class Rotator {
  constructor(
    private readonly store: RefreshTokenStore,
    private readonly codec: RefreshTokenCodec,
    private readonly claims: ClaimsSource,
    private readonly revocations: RevocationMemory,
    private readonly events: TokenEventSink,
    private readonly clock: Clock,
    /** milliseconds */
    private readonly leeway: number,
  ) {}

  /**
   * @throws {InvalidGrantError} the token is of no use any more
   * @throws {InvalidRequestError} its Idempotency-Key has already been spent on its parent
   * @throws {InvalidScopeError} more than was granted is asked for, of a token that is good: nothing was spent
   * @throws {UnavailableError} nothing is known to have been spent; the same request may be repeated
   */
  async refresh(request: RefreshAttempt): Promise<Refreshed> {
    // Whatever the row says: a failover may have lost the revocation.
    if (this.revocations.knows(request.token.familyId))
      throw new InvalidGrantError('ERR_REFRESH_TOKEN_REVOKED');
    const attempt = { ...request, successor: this.codec.successor(request.token) };
    if (!this.claims.asks && request.scope === null) {
      const grant = await this.store.rotate(this.#rotation(attempt));
      if (grant) return this.#rotated(attempt, grant, grant.claims ?? {});
    }
    let claims: Claims | undefined;
    for (let looks = 0; looks < MAX_LOOKS; looks++) {
      const look = await this.store.look(attempt.token.familyId);
      const verdict = this.#judge(attempt, look);
      const { family } = look;
      if (verdict.kind === 'refuse' || !family) throw this.#refuse(attempt, family, verdict);
      if (verdict.kind === 'reuse') {
        // It may have been the parent when it came, or even current: what our own waiting hid must not be judged.
        if (this.#waited(attempt.receivedAt) >= Math.max(this.leeway, LONG_WAIT)) break;
        if (await this.store.revokeReused(family)) throw this.#reused(attempt, family);
        continue;
      }
      // After the verdicts on the token, so that a wrong scope hides no theft; before anything is written.
      const scope = scopeFor(attempt, family);
      claims ??= await this.#claimsOrRevoke({ ...family, scope });
      const refreshed = await this.#carryOut(verdict, attempt, { family, now: look.now }, claims);
      if (refreshed) return { ...refreshed, grant: { ...refreshed.grant, scope } };
    }
    throw new UnavailableError('ERR_STORE_CONTENDED');
  }

  #judge({ token, clientId, attemptHash, receivedAt }: Attempt, { family, now }: Look): Verdict {
    const moment = { now, presentedAt: now - this.#waited(receivedAt) };
    return decideRotation({ ...token, clientId, attemptHash }, family, { leeway: this.leeway }, moment);
  }

  /** Null when somebody was faster: look again. */
  async #carryOut(
    verdict: Exclude<Verdict, { kind: 'refuse' | 'reuse' }>,
    attempt: Attempt,
    { family, now }: { family: Family; now: number },
    claims: Claims,
  ): Promise<Refreshed | null> {
    switch (verdict.kind) {
      case 'rotate': {
        const grant = await this.store.rotate(this.#rotation(attempt));
        return grant && this.#rotated(attempt, grant, claims);
      }
      case 'advance': {
        const grant = await this.store.advance(this.#rotation(attempt), family);
        if (!grant) return null;
        const lost = attempt.token.generation - family.generation;
        this.#tell({ type: 'advanced', lost, ...about(attempt, grant) });
        return handOut('advanced', attempt, grant, claims);
      }
      case 'repeat':
        this.#tell({ type: 'repeated', ...about(attempt, family) });
        return { verdict: 'repeated', token: attempt.token, grant: { ...family, now }, claims };
      case 'retry': {
        const late = verdict.proof === 'idempotency_key';
        this.#tell({ type: 'retried', late, ...about(attempt, family) });
        const token = this.#currentAfter(attempt.token, family);
        return { verdict: late ? 'retried_late' : 'retried', token, grant: { ...family, now }, claims };
      }
    }
  }

  #rotation({ token, successor, clientId, attemptHash, receivedAt }: Attempt): Rotation {
    return { token, successor, clientId, attemptHash, waited: this.#waited(receivedAt) };
  }

  #rotated(attempt: Attempt, grant: Grant & Stamped, claims: Claims): Refreshed {
    this.#tell({ type: 'rotated', ...about(attempt, grant) });
    return handOut('rotated', attempt, grant, claims);
  }

  /** The current token, derived again from its parent, under the key it was first encoded with. */
  #currentAfter(parent: RefreshTokenParts, family: Family): RefreshTokenParts {
    const current = this.codec.successor(parent, family.keyId);
    if (!current.stepHash.equals(family.stepHash)) throw new UnavailableError('ERR_STORE_INCONSISTENT');
    return current;
  }

  async #claimsOrRevoke(family: Family): Promise<Claims> {
    const claims = await this.claims.claimsFor(family);
    if (claims) return claims;
    if (await this.store.revoke(family.familyId, 'subject_refused')) this.#revoked(family, 'subject_refused');
    throw new InvalidGrantError('ERR_SUBJECT_REFUSED');
  }

  #reused(attempt: Attempt, family: Family): Error {
    this.#tell({ type: 'reused', ...about(attempt, family) });
    this.#revoked(family, 'reuse');
    return new InvalidGrantError('ERR_REFRESH_TOKEN_REUSED');
  }

  #revoked(family: Family, reason: 'reuse' | 'subject_refused'): void {
    this.revocations.learn([family.familyId]);
    this.#tell({ type: 'revoked', sid: family.familyId, subject: family.subject, reason });
  }

  #refuse(attempt: Attempt, family: Family | null, verdict: Verdict): Error {
    const reason = verdict.kind === 'refuse' ? verdict.reason : 'unknown';
    if (reason === 'forged' && family) this.#tell({ type: 'forged', ...about(attempt, family) });
    if (reason === 'key_reused') {
      return new InvalidRequestError(
        'ERR_IDEMPOTENCY_KEY_REUSED',
        'This Idempotency-Key was already used to obtain the refresh token it now comes with; draw a new one',
        422,
      );
    }
    return new InvalidGrantError(CODES[reason]);
  }

  #tell(event: TokenEvent): void {
    this.events.emit(event);
  }

  #waited(receivedAt: number): number {
    return Math.min(Math.max(0, this.clock.monotonic() - receivedAt), MAX_WAITED);
  }
}

const CODES: Readonly<Record<Exclude<Refusal, 'key_reused'>, AuthErrorCode>> = {
  unknown: 'ERR_REFRESH_TOKEN_UNKNOWN',
  forged: 'ERR_REFRESH_TOKEN_FORGED',
  revoked: 'ERR_REFRESH_TOKEN_REVOKED',
  client_mismatch: 'ERR_REFRESH_TOKEN_CLIENT_MISMATCH',
  expired: 'ERR_REFRESH_TOKEN_EXPIRED',
  idle: 'ERR_REFRESH_TOKEN_IDLE',
  ahead: 'ERR_REFRESH_TOKEN_AHEAD',
};

/** What a login granted never changes, so what was read is as good as what will be written. */
function scopeFor({ scope: wanted }: Attempt, { scope: granted }: Family): string | null {
  if (wanted === null) return granted;
  const narrowed = narrowScope(granted, wanted);
  if (narrowed === null) throw new InvalidScopeError();
  return narrowed;
}

/** The clock moved on between the condition and the stamp of one statement: an end in between is an end. */
function handOut(
  verdict: RefreshVerdict,
  { successor }: Attempt,
  grant: Grant & Stamped,
  claims: Claims,
): Refreshed {
  if (grant.now >= grant.expiresAt) throw new InvalidGrantError('ERR_REFRESH_TOKEN_EXPIRED');
  return { verdict, token: successor, grant, claims };
}

function about(
  { token }: Attempt,
  { familyId, subject, clientId }: Pick<Grant, 'familyId' | 'subject' | 'clientId'>,
) {
  return { sid: familyId, subject, clientId, generation: token.generation };
}
