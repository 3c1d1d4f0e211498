import type { RevocationReason } from '../core/family.js';
import type { ResolvedOptions } from '../core/options.js';
import type { AccessTokens, Look, RefreshTokenStore, SessionCheck } from '../core/ports.js';
import type { RevocationMemory } from '../core/revocation-ports.js';
import type { RefreshTokenCodec } from '../core/refresh-token.js';
import { isUuid } from '../core/uuid.js';
import {
  decodeOrNull,
  introspectAccessToken,
  introspectRefreshToken,
  isAlive,
  type Introspection,
} from './introspection.js';
import type { SessionEnds } from './session-ends.js';
import { toSession, type Session } from './session.js';
import type { TokenGrants } from './token-grants.js';
import type { TokenPair } from './token-pair.js';
import type {
  EndOptions,
  IssueOptions,
  RevokeOptions,
  RevokeTokenOptions,
  RotateOptions,
} from './token.options.js';

const MAX_SESSIONS_LISTED = 1000;

/** Logins, refreshes, ends: everything the application does with token families. */
export class TokenService implements SessionCheck {
  constructor(
    private readonly grants: TokenGrants,
    private readonly ends: SessionEnds,
    private readonly store: Pick<RefreshTokenStore, 'look' | 'sessions'>,
    private readonly codec: RefreshTokenCodec,
    private readonly accessTokens: AccessTokens,
    private readonly revocations: RevocationMemory,
    private readonly options: Pick<ResolvedOptions, 'refreshToken'>,
  ) {}

  /**
   * Starts a family: a new login of `subject`, and its first two tokens. The application has verified who it is.
   *
   * With `sessions.maxPerSubject` the sessions of the subject used least recently end with it, so that no more than that
   * live, however many logins come at once.
   *
   * With `manager` the login exists when the caller's transaction commits, and not before; the event `issued` does not
   * wait for that. Until then `revokeAll` of the same subject, `revokeClient` and `revokeEveryone` wait, and so do other
   * logins of the subject where `sessions.maxPerSubject` is set: call none inside that transaction, and keep it short.
   * It counts and ends the sessions that transaction can see, so it wants READ COMMITTED. Those it ends are told by no
   * event, and each node learns of them by its next poll.
   *
   * @param subject the user as the application names it, 1 to 255 characters
   * @throws {TypeError} an argument is not as described, or `clientId` none of the module's: a mistake of the caller's
   * @throws {InvalidGrantError} the claims provider refused the subject
   * @throws {UnavailableError} the database or the claims provider did not answer in time; log in again
   * @see RFC 6749 section 5.1
   */
  issue(subject: string, options: IssueOptions = {}): Promise<TokenPair> {
    return this.grants.issue(subject, options);
  }

  /**
   * Spends `refreshToken` and issues its successor with a new access token.
   *
   * Safe to call from any number of nodes: exactly one call per token rotates. A repeat within
   * `refreshToken.leeway`, or at any time with the same Idempotency-Key, gets the same refresh token again; a
   * later one without it ends the family.
   *
   * With `scope` the access token gets less than the login granted, and the grant stays as it is: a refresh without it
   * gets all again. To know what was granted costs a reading more.
   *
   * @param refreshToken as the client sent it
   * @throws {InvalidGrantError} malformed, unknown, expired, reused or revoked
   * @throws {InvalidRequestError} the Idempotency-Key is malformed, or spent already
   * @throws {InvalidScopeError} `scope` is not within what the login granted, and the token is good; nothing was spent
   * @throws {SessionMismatchError} the token is not of session `sid`; nothing was spent
   * @throws {UnavailableError} the database or the claims provider did not answer in time; repeat the request
   * @see RFC 6749 section 6, RFC 9700 section 4.14.2
   */
  rotate(refreshToken: string, options: RotateOptions = {}): Promise<TokenPair> {
    return this.grants.rotate(refreshToken, options);
  }

  /**
   * Ends one session. From the commit on, no refresh of it succeeds anywhere; access tokens follow on each node
   * as it learns of it.
   *
   * @returns false when no session (of `subject`) with this id is left to end, expired ones included
   * @throws {TypeError} `reason` is no RevocationReason
   * @throws {UnavailableError} not known to have happened; repeat the call
   */
  revoke(sid: string, options: RevokeOptions = {}): Promise<boolean> {
    return this.ends.revoke(sid, options);
  }

  /**
   * Ends the session a token belongs to: a refresh token of any generation, or an access token that is good. Who holds
   * one may end it.
   *
   * @param token as the client sent it
   * @returns false when it is no token of a living session: there is nothing left to end
   * @throws {InvalidGrantError} the session is another client's, and lives on
   * @throws {SessionMismatchError} the token is not of session `sid`; nothing was ended
   * @throws {UnavailableError} not known to have happened; repeat the call
   * @see RFC 7009 section 2.1
   */
  revokeToken(token: string, options: RevokeTokenOptions = {}): Promise<boolean> {
    return this.ends.revokeToken(token, options);
  }

  /**
   * Ends every session of a subject, logins in flight included, or all but one.
   *
   * @returns how many were ended, expired ones included
   * @throws {TypeError} `except` is no session id, or `reason` no RevocationReason
   * @throws {UnavailableError} not known to have happened; repeat the call
   */
  revokeAll(subject: string, options: { except?: string; reason?: RevocationReason } = {}): Promise<number> {
    return this.ends.revokeAll(subject, options);
  }

  /**
   * Ends every session of a subject but the one that changed the password: call it when the change is committed.
   *
   * @param options `except`: the session that goes on, as a rule the one the change was made in
   * @returns how many were ended, expired ones included
   * @throws {TypeError} `except` is no session id
   * @throws {UnavailableError} not known to have happened; repeat the call
   */
  passwordChanged(subject: string, { except }: { except?: string } = {}): Promise<number> {
    return this.revokeAll(subject, { reason: 'password_change', ...(except !== undefined && { except }) });
  }

  /**
   * Ends every session of a client, of all subjects. Promises and errors are those of `revokeEveryone`.
   *
   * @param clientId 1 to 255 characters
   * @returns how many were ended, expired ones included
   * @throws {TypeError} `clientId` is no such text, or `reason` no RevocationReason
   * @throws {UnavailableError} repeat the call
   */
  revokeClient(clientId: string, options: EndOptions = {}): Promise<number> {
    return this.ends.revokeClient(clientId, options);
  }

  /**
   * Ends every session there is: after a leak, or when an old backup was restored.
   *
   * Whatever was there or being written on any node when it is called has ended when it resolves; a login that is written
   * later lives, were it in the same millisecond. So does one whose `issue` was called before and still waited for
   * its claims or a connection: when nobody may log in as before, see to that first. Only where the database's clock
   * was set back are logins ended that come before that clock has passed the youngest session.
   *
   * Runs in steps of 5,000 rows beside ordinary traffic, each told to all nodes when it is committed. It passes over
   * what is locked, comes back to it at the end, and holds up no login for longer than a moment.
   *
   * @returns how many were ended, expired ones included
   * @throws {TypeError} `reason` is no RevocationReason
   * @throws {UnavailableError} a transaction of the application's held a login or a session for longer than
   * `database.lockTimeout`, and all others were ended; or the database did not answer in time. What was ended stays
   * ended, and was told; repeat the call for the rest, which also ends the logins made meanwhile
   */
  revokeEveryone(options: EndOptions = {}): Promise<number> {
    return this.ends.revokeEveryone(options);
  }

  /**
   * The living sessions of a subject, newest first, 1,000 at most.
   *
   * @throws {UnavailableError} the database did not answer in time
   */
  async sessions(subject: string): Promise<Session[]> {
    const { families } = await this.store.sessions(subject, MAX_SESSIONS_LISTED);
    return families.map((family) => toSession(family, this.options.refreshToken.idleLifetime));
  }

  /**
   * Says whether a session lives, asking the database: it is neither revoked nor expired.
   *
   * @throws {UnavailableError} the database did not answer in time
   */
  async isAlive(sid: string): Promise<boolean> {
    return isUuid(sid) && isAlive(await this.#look(sid));
  }

  /**
   * Says whether a token is good now, asking the database. For a refresh token it says only whether its family
   * lives, so that no thief learns from it when the victim last refreshed.
   *
   * @throws {UnavailableError} the database did not answer in time
   * @see RFC 7662 section 2.2
   */
  async introspect(token: string): Promise<Introspection> {
    const refreshToken = decodeOrNull(this.codec, token);
    return refreshToken
      ? introspectRefreshToken(refreshToken, await this.#look(refreshToken.familyId))
      : introspectAccessToken(token, this.accessTokens, (sid) => this.#look(sid));
  }

  /** What this node knows to be revoked is over, though a failover may have lost the revocation. */
  async #look(sid: string): Promise<Look> {
    const look = await this.store.look(sid);
    return this.revocations.knows(sid) ? { ...look, family: null } : look;
  }
}
