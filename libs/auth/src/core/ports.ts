import type { AccessTokenClaims } from './access-token.js';
import type { TokenEvent } from './events.js';
import type { Claims, Device, Family, Grant, RevocationReason } from './family.js';
import type { KeyStep, NewSigningKey, StoredSigningKey } from './key-schedule.js';
import type { RefreshTokenParts } from './refresh-token.js';

/**
 * Anything that runs SQL inside a transaction of the caller: TypeORM's `EntityManager` and `QueryRunner` fit.
 */
export interface TransactionContext {
  query(sql: string, parameters?: unknown[]): Promise<unknown>;
}

export interface Login {
  readonly token: RefreshTokenParts;
  readonly subject: string;
  readonly clientId: string;
  readonly scope: string | null;
  readonly claims: Claims | null;
  readonly device: Device | null;
}

/** A rotation as it is to be written: `token` is spent, `successor` takes its place. */
export interface Rotation {
  readonly token: RefreshTokenParts;
  readonly successor: RefreshTokenParts;
  readonly clientId: string;
  readonly attemptHash: Buffer | null;
  /** milliseconds since this node had read the request */
  readonly waited: number;
}

/** Milliseconds since the epoch on the store's clock, at the moment of the statement. */
export interface Stamped {
  readonly now: number;
}

export interface Look extends Stamped {
  readonly family: Family | null;
}

export interface RevokedFamily {
  readonly sid: string;
  readonly subject: string;
}

/** Gets what a step has ended; the next one waits for it. */
export type TakeRevoked = (families: readonly RevokedFamily[]) => Promise<void> | void;

/** A login as it was written. */
export interface Inserted extends Grant, Stamped {
  /** what ended to make room for it */
  readonly evicted: readonly RevokedFamily[];
}

/** What one step of a deletion came to. */
export interface DeletedPage {
  readonly deleted: number;
  /** where the next step begins; null when nothing is left to look at */
  readonly next: string | null;
}

export interface RevokedSession {
  readonly sid: string;
  /** milliseconds since the epoch */
  readonly revokedAt: number;
}

/**
 * Where families are kept. Every change is atomic; every read sees the latest commit.
 *
 * Each method throws UnavailableError when the store is busy or broken, or did not answer in time: what it was
 * asked to do may then have happened or not, and every one of them may be repeated.
 */
export interface RefreshTokenStore {
  /**
   * Adds a family at generation 0; with `transaction`, as part of it. Of the others of its subject those used least
   * recently end with it, so that no more than `sessions.maxPerSubject` live.
   */
  insert(login: Login, transaction?: TransactionContext): Promise<Inserted>;
  /**
   * Writes the rotation if the judge would say `rotate` at this moment; null when anything at all speaks against it, and
   * when another call was spending the same token: look then.
   */
  rotate(rotation: Rotation): Promise<(Grant & Stamped) | null>;
  /** Follows a token beyond a lost commit, if the row is still as `judged`. */
  advance(rotation: Rotation, judged: Family): Promise<(Grant & Stamped) | null>;
  /** Revokes for reuse, if the row is still as `judged`; false when somebody was faster. */
  revokeReused(judged: Family): Promise<boolean>;
  look(familyId: string): Promise<Look>;
  /** Revokes one living family, of this `subject` if given; null when there is none. */
  revoke(familyId: string, reason: RevocationReason, subject?: string): Promise<RevokedFamily | null>;
  /** Revokes every living family of a subject, logins in flight included. */
  revokeSubject(subject: string, reason: RevocationReason, exceptFamilyId?: string): Promise<RevokedFamily[]>;
  /**
   * Revokes every living family, of a client if given, that was there or being written when called, and none whose login
   * began later. What fails has ended those it told of; what is locked, or is still being written after the lock
   * time-out, fails at the end only.
   *
   * @param take called with those each step ended, once that is committed
   */
  revokeEvery(
    which: { readonly clientId?: string },
    reason: RevocationReason,
    take: TakeRevoked,
  ): Promise<void>;
  /** The living families of a subject, newest first, at most `limit`. */
  sessions(subject: string, limit: number): Promise<{ families: Family[] } & Stamped>;
  /**
   * Families revoked within the last `window` milliseconds, those revoked first coming first.
   *
   * @param take called once or more, with 10,000 at most: a long answer must not hold up the event loop
   * @returns the time of the first piece; what was committed later is for the next reading
   */
  revokedWithin(window: number, take: (sessions: readonly RevokedSession[]) => void): Promise<Stamped>;
  /**
   * Deletes, in one short step, families whose absolute end lies back by more than `keep` milliseconds. Waits for
   * nobody, and passes over what is locked; all nodes may do it at once.
   *
   * @param after where the step before it ended; null at the beginning
   */
  deleteOver(keep: number, after: string | null): Promise<DeletedPage>;
}
export const RefreshTokenStore = Symbol('RefreshTokenStore');

/** What a database says of itself; a standby is one that nothing may rely on. */
export interface DatabaseStanding extends Stamped {
  readonly isStandby: boolean;
}

/** Asks the database whether it is there, for readiness. */
export interface DatabaseProbe {
  /** @throws {UnavailableError} the database did not answer in time */
  ask(): Promise<DatabaseStanding>;
}
export const DatabaseProbe = Symbol('DatabaseProbe');

/** An event as the audit trail keeps it. Holds no token, no hash and no key. */
export interface AuditEntry {
  /** UUIDv7: what is written twice, after an answer that was lost, is kept once */
  readonly id: string;
  readonly type: TokenEvent['type'];
  readonly sid: string;
  readonly subject: string;
  readonly clientId: string | null;
  /** of the token that was presented */
  readonly generation: number | null;
  readonly detail: Readonly<Record<string, string | number | boolean>> | null;
}

/** Where exceptional verdicts and revocations are kept. Each method throws UnavailableError, as the others here do. */
export interface AuditStore {
  /** @param entries each with its age: milliseconds since the event */
  append(entries: readonly (AuditEntry & { readonly age: number })[]): Promise<void>;
  /** As of families, by the time of the entry. */
  deleteOver(keep: number, after: string | null): Promise<DeletedPage>;
}
export const AuditStore = Symbol('AuditStore');

/** The keys at one moment of the store's clock, in the order they were published. */
export interface SigningKeys extends Stamped {
  readonly keys: readonly StoredSigningKey[];
}

/**
 * Where the keys that sign access tokens are kept, when the application does not give them itself.
 *
 * Each method throws UnavailableError when the store is busy or broken, or did not answer in time: what it was
 * asked to do may then have happened or not.
 */
export interface SigningKeyStore {
  load(): Promise<SigningKeys>;
  /**
   * Makes the changes `decide` asks for, as one. All nodes are serialised: each decides on what the one before it
   * left, so exactly one key is active however many change keys at the same instant.
   *
   * @param candidate the key a `publish` step adds, made before: making one takes long. Without it, or when the
   * store has a key of that `kid`, such a step fails, and nothing of the change is made.
   * @param decide pure, and called once, under the lock
   * @returns the keys as they are then
   */
  change(
    candidate: NewSigningKey | null,
    decide: (keys: readonly StoredSigningKey[], now: number) => readonly KeyStep[],
  ): Promise<SigningKeys>;
}
export const SigningKeyStore = Symbol('SigningKeyStore');

export interface ClaimsRequest {
  readonly subject: string;
  readonly clientId: string;
  readonly sid: string;
  /** of the access token: what the login granted, or as much of it as this refresh asks for */
  readonly scope: string | null;
  /** what `issue` was given for this login */
  readonly claims: Claims | null;
}

/**
 * Asked for the application's claims at every login and every refresh, before anything is written.
 *
 * Answer an object (merged over the login's own claims), or `null` to refuse: the family is then revoked. To
 * throw, or to take longer than `accessToken.claimsTimeout`, is an outage: 503, and nothing is spent.
 */
export type ClaimsProvider = (request: ClaimsRequest) => Promise<Claims | null> | Claims | null;

/** Takes events; must not throw and is not waited for. */
export interface TokenEventSink {
  emit(event: TokenEvent): void;
}

/** What guards need to know of the options, whichever module they belong to. */
export interface AccessPolicy {
  /** seconds this node's clock may be off */
  readonly clockTolerance: number;
}
export const AccessPolicy = Symbol('AccessPolicy');

/** Asks the database whether a session lives, for routes that must not rely on what a node has learned. */
export interface SessionCheck {
  /** @throws {UnavailableError} the database did not answer in time */
  isAlive(sid: string): Promise<boolean>;
}
export const SessionCheck = Symbol('SessionCheck');

/**
 * Signs an access token for `grant`; cannot fail.
 *
 * @param own the application's claims
 * @param now milliseconds since the epoch on the store's clock, from the statement that allowed the token
 * @returns `expiresIn` in seconds
 */
export type SignAccessToken = (
  grant: Grant,
  own: Claims,
  now: number,
) => { accessToken: string; expiresIn: number };

/** Makes and reads access tokens. */
export interface AccessTokens {
  /**
   * Takes a key in hand: asked for before anything is written, so that nothing is spent for a token nobody can sign.
   *
   * @throws {UnavailableError} this node has no key to sign with at the moment
   */
  signer(): SignAccessToken;
  /**
   * @throws {InvalidTokenError} whatever is wrong with it; revocation is not asked
   * @throws {UnavailableError} there is no telling which keys are good
   */
  verify(token: string): Promise<AccessTokenClaims>;
}
export const AccessTokens = Symbol('AccessTokens');

/** Where the keys of a ring come from, when they are not all given at start. */
export interface KeySource {
  /**
   * Reads the keys anew and replaces the ring's if they have changed.
   *
   * @throws {UnavailableError} they cannot be read now; what was known stays known
   */
  refresh(): Promise<void>;
  /**
   * As `refresh`, because a token names a key the ring does not know. A flood of unknown names costs one reading per
   * cool-down, and callers that come together share it.
   *
   * @throws {UnavailableError} there is no telling which keys are good
   */
  seek(): Promise<void>;
}
export const KeySource = Symbol('KeySource');

/** This node's clock: wall time for access tokens, monotonic time for waiting; both in milliseconds. */
export interface Clock {
  now(): number;
  monotonic(): number;
}
export const Clock = Symbol('Clock');
