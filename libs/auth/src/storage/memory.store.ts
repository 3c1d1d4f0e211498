import type { Family, Grant, RevocationReason } from '../core/family.js';
import type { ResolvedOptions } from '../core/options.js';
import type {
  DeletedPage,
  Inserted,
  Login,
  Look,
  RefreshTokenStore,
  RevokedFamily,
  RevokedSession,
  Rotation,
  Stamped,
  TakeRevoked,
} from '../core/ports.js';
import { decideRotation } from '../core/rotation.js';
import { BEFORE_ALL, DELETION_PAGE, REVOKED_PAGE } from './walk.statements.js';

/**
 * Families in the memory of one process, for unit tests of an application: gone with the process, unknown to
 * other nodes. Keeps the same contract as the PostgreSQL store, except that it joins no transaction.
 */
export class MemoryRefreshTokenStore implements RefreshTokenStore {
  readonly #families = new Map<string, Family>();

  constructor(
    private readonly options: Pick<ResolvedOptions, 'refreshToken' | 'sessions'>,
    private readonly clock: () => number,
  ) {}

  async insert({ token, subject, clientId, scope, claims, device }: Login): Promise<Inserted> {
    const now = this.clock();
    const { idleLifetime, lifetime } = this.options.refreshToken;
    const family: Family = {
      familyId: token.familyId,
      subject,
      clientId,
      generation: 0,
      rootHash: token.rootHash,
      stepHash: token.stepHash,
      parentHash: null,
      attemptHash: null,
      keyId: token.keyId,
      issuedAt: now,
      rotatedAt: now,
      idleExpiresAt: now + Math.min(idleLifetime, lifetime) * 1000,
      expiresAt: now + lifetime * 1000,
      revokedAt: null,
      revocationReason: null,
      scope,
      claims,
      device,
    };
    return { ...this.#put(family, now), evicted: this.#evict(family, now) };
  }

  async rotate(rotation: Rotation): Promise<(Grant & Stamped) | null> {
    const { token, clientId, attemptHash, waited } = rotation;
    // No await between looking and writing: that gap is what the other store's single statement does not have.
    const family = this.#families.get(token.familyId) ?? null;
    const now = this.clock();
    const verdict = decideRotation(
      { ...token, clientId, attemptHash },
      family,
      { leeway: this.options.refreshToken.leeway * 1000 },
      { now, presentedAt: now - waited },
    );
    return verdict.kind === 'rotate' ? this.#spend(rotation, family!, now) : null;
  }

  async advance(rotation: Rotation, judged: Family): Promise<(Grant & Stamped) | null> {
    const family = this.#families.get(judged.familyId);
    const now = this.clock();
    return family && this.#isAlive(family, now) && family.stepHash.equals(judged.stepHash)
      ? this.#spend(rotation, family, now)
      : null;
  }

  async revokeReused(judged: Family): Promise<boolean> {
    const family = this.#families.get(judged.familyId);
    return (
      family !== undefined &&
      family.stepHash.equals(judged.stepHash) &&
      this.#revoke(family, 'reuse') !== null
    );
  }

  async look(familyId: string): Promise<Look> {
    return { now: this.clock(), family: this.#families.get(familyId) ?? null };
  }

  async revoke(familyId: string, reason: RevocationReason, subject?: string): Promise<RevokedFamily | null> {
    const family = this.#families.get(familyId);
    return family && (subject === undefined || family.subject === subject)
      ? this.#revoke(family, reason)
      : null;
  }

  async revokeSubject(
    subject: string,
    reason: RevocationReason,
    exceptFamilyId?: string,
  ): Promise<RevokedFamily[]> {
    return [...this.#families.values()]
      .filter((family) => family.subject === subject && family.familyId !== exceptFamilyId)
      .map((family) => this.#revoke(family, reason))
      .filter((revoked) => revoked !== null);
  }

  async sessions(subject: string, limit: number): Promise<{ families: Family[] } & Stamped> {
    const now = this.clock();
    const families = [...this.#families.values()]
      .filter((family) => family.subject === subject && this.#isAlive(family, now))
      .toSorted((left, right) => (left.familyId < right.familyId ? 1 : -1))
      .slice(0, limit);
    return { now, families };
  }

  async revokeEvery(
    { clientId }: { readonly clientId?: string },
    reason: RevocationReason,
    take: TakeRevoked,
  ): Promise<void> {
    const families = [...this.#families.values()].filter(
      (family) => clientId === undefined || family.clientId === clientId,
    );
    await take(families.flatMap((family) => this.#revoke(family, reason) ?? []));
  }

  async revokedWithin(window: number, take: (sessions: readonly RevokedSession[]) => void): Promise<Stamped> {
    const now = this.clock();
    const sessions = [...this.#families.values()]
      .flatMap(({ familyId, revokedAt }) =>
        revokedAt !== null && revokedAt > now - window ? [{ sid: familyId, revokedAt }] : [],
      )
      .toSorted((left, right) => left.revokedAt - right.revokedAt);
    do take(sessions.splice(0, REVOKED_PAGE));
    while (sessions.length > 0);
    return { now };
  }

  async deleteOver(keep: number, after: string | null): Promise<DeletedPage> {
    const latest = this.clock() - keep;
    const page = [...this.#families.values()]
      .filter(({ familyId }) => familyId > (after ?? BEFORE_ALL))
      .toSorted((left, right) => (left.familyId < right.familyId ? -1 : 1))
      .slice(0, DELETION_PAGE);
    const over = page.filter(({ expiresAt }) => expiresAt < latest);
    for (const { familyId } of over) this.#families.delete(familyId);
    return {
      deleted: over.length,
      next: page.length === DELETION_PAGE ? page.at(-1)!.familyId : null,
    };
  }

  /** Those of the subject used least recently; never the one just begun. */
  #evict({ familyId, subject }: Family, now: number): RevokedFamily[] {
    return [...this.#families.values()]
      .filter((each) => each.subject === subject && each.familyId !== familyId && this.#isAlive(each, now))
      .toSorted(
        (left, right) => right.rotatedAt - left.rotatedAt || (left.familyId < right.familyId ? 1 : -1),
      )
      .slice(this.options.sessions.maxPerSubject - 1)
      .flatMap((family) => this.#revoke(family, 'session_limit') ?? []);
  }

  #spend({ token, successor, attemptHash }: Rotation, family: Family, now: number): Grant & Stamped {
    const idleExpiresAt = Math.min(now + this.options.refreshToken.idleLifetime * 1000, family.expiresAt);
    return this.#put(
      {
        ...family,
        generation: successor.generation,
        stepHash: successor.stepHash,
        parentHash: token.stepHash,
        attemptHash,
        keyId: successor.keyId,
        rotatedAt: now,
        idleExpiresAt,
      },
      now,
    );
  }

  #revoke(family: Family, reason: RevocationReason): RevokedFamily | null {
    if (family.revokedAt !== null) return null;
    this.#families.set(family.familyId, { ...family, revokedAt: this.clock(), revocationReason: reason });
    return { sid: family.familyId, subject: family.subject };
  }

  #put(family: Family, now: number): Grant & Stamped {
    this.#families.set(family.familyId, family);
    return { ...family, now };
  }

  #isAlive(family: Family, now: number): boolean {
    return family.revokedAt === null && now < family.expiresAt && now < family.idleExpiresAt;
  }
}
