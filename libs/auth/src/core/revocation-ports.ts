import type { AccessTokenClaims } from './access-token.js';
import type { RevokedSession } from './ports.js';

/** A revocation as a node knows it. */
export interface KnownRevocation {
  readonly sid: string;
  /** milliseconds since the epoch on the database's clock; null where that has not been read */
  readonly revokedAt: number | null;
}

/** Where a node reads what has been revoked. Throws UnavailableError when that cannot be told in time. */
export interface RevocationSource {
  /**
   * @param window milliseconds back from now
   * @param take called once or more, before this resolves: a long answer comes in pieces. `revokedAt` is null where the
   * source does not tell. What has been taken is remembered for as long again, so what has not changed is taken, too
   * @returns `now` on the database's clock, and how many milliseconds old the answer was when it was asked for
   */
  read(
    window: number,
    take: (sessions: readonly { readonly sid: string; readonly revokedAt: number | null }[]) => void,
  ): Promise<{ now: number; age: number }>;
  /**
   * Gets the sessions this node knows to be revoked and a reading of all should have told of: the source has lost them.
   * Is not waited for, and does not fail. Absent where nothing can be done about it.
   */
  readonly restore?: (sids: readonly string[]) => Promise<void>;
}
export const RevocationSource = Symbol('RevocationSource');

/** Who wants to hear of revocations on other nodes. */
export interface RevocationListener {
  /** A session that is known need not be looked up. */
  isKnown(sid: string): boolean;
  /**
   * @param sessions the database itself has confirmed to be revoked
   * @param now milliseconds since the epoch on the database's clock
   */
  heard(sessions: readonly RevokedSession[], now: number): void;
  /** There is something to read: more was said than can be looked up one by one. */
  missed(): void;
  /** Hearing has begun, or begun again after it broke, maybe at another server: what was said before is not repeated. */
  joined(): void;
}

/** Tells the other nodes of a revocation at once. An accelerator: what it loses, the next poll finds. */
export interface RevocationChannel {
  /** Tells the other nodes; is not waited for, and fails nothing. */
  announce(sids: readonly string[]): void;
  /** Hears the other nodes from now on, and opens itself again when it breaks. Returns at once. */
  open(listener: RevocationListener): void;
  /** Quick, whatever state the network is in. */
  close(): Promise<void>;
}
export const RevocationChannel = Symbol('RevocationChannel');

/** Tells whether a session has been revoked; asked for every request, so synchronous. */
export interface RevocationCheck {
  /**
   * @param now milliseconds since the epoch on this node's clock
   * @param token whose `iss` tells whose session it is; of no interest where there is one issuer alone, which then does not
   * pay for reading it
   * @throws {UnavailableError} the answer would be too old to be trusted
   */
  isRevoked(sid: string, now: number, token: Pick<AccessTokenClaims, 'iss'>): boolean;
  /**
   * Tells `listener` of every session this node learns to be revoked; of one it has forgotten and reads again, more than
   * once.
   *
   * @param listener `issuer`: whose sessions they are; left out where there is one alone
   * @returns a function that ends the telling
   */
  onRevoked(listener: (sids: readonly string[], issuer?: string) => void): () => void;
}
export const RevocationCheck = Symbol('RevocationCheck');

/** What a node that revokes keeps in mind, ahead of what it will read. */
export interface RevocationMemory {
  /** Learns of revocations made by this node, once they are committed, and tells the other nodes. */
  learn(sids: readonly string[]): void;
  /** Whether this node has ever heard that the session was revoked, however old its knowledge is; false proves nothing. */
  knows(sid: string): boolean;
}
export const RevocationMemory = Symbol('RevocationMemory');

export interface RevocationSnapshot {
  readonly sids: readonly string[];
  readonly next: number | null;
  readonly asOf: number;
  readonly age: number;
}

/** What this node knows to be revoked, to be told to services that cannot read it themselves. */
export interface PublishedRevocations {
  /** changes with what is known */
  readonly version: number;
  /**
   * @param since milliseconds since the epoch, on the store's clock; -Infinity for all that is known
   * @param limit for how many at most, and a few more where times are equal
   * @returns the sessions revoked then or later, in the order of their time; `next`: from when on there are more, null
   * when there are none; `asOf`, on the store's clock, and the milliseconds since then
   * @throws {UnavailableError} what this node knows is too old to be told
   */
  snapshot(since: number, limit: number): RevocationSnapshot;
}
export const PublishedRevocations = Symbol('PublishedRevocations');
