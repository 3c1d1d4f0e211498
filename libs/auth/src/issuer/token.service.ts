import {
  InvalidGrantError,
  InvalidRequestError,
  SessionMismatchError,
  UnavailableError,
} from '../core/errors.js';
import type { Claims, Device, Grant, RevocationReason } from '../core/family.js';
import { refreshExpiresIn } from '../core/lifetime.js';
import type { ResolvedOptions } from '../core/options.js';
import type {
  AccessTokens,
  Clock,
  RefreshTokenStore,
  Look,
  RevocationMemory,
  RevokedFamily,
  SessionCheck,
  SignAccessToken,
  Stamped,
  TokenEventSink,
  TransactionContext,
} from '../core/ports.js';
import { sha256, type RefreshTokenCodec, type RefreshTokenParts } from '../core/refresh-token.js';
import { isUuid } from '../core/uuid.js';
import { isClaims, MAX_CLAIMS_BYTES, type ClaimsSource } from './claims.source.js';
import {
  introspectAccessToken,
  introspectRefreshToken,
  isAlive,
  type Introspection,
} from './introspection.js';
import type { IssuerTally, RefreshVerdict } from './issuer-tally.js';
import type { Rotator } from './rotator.js';
import { toSession, type Session } from './session.js';
import type { TokenPair } from './token-pair.js';

export interface IssueOptions {
  /** default: the module's `clientId` */
  readonly clientId?: string;
  /** space-separated */
  readonly scope?: string;
  /** kept with the login; in every access token of it */
  readonly claims?: Claims;
  /** what the session list shows */
  readonly device?: Device;
  /** the login becomes part of this transaction: an `EntityManager` or `QueryRunner` */
  readonly manager?: TransactionContext;
}

export interface RotateOptions {
  /** who presents the token; default: the module's `clientId` */
  readonly clientId?: string | undefined;
  /** 16 to 128 visible ASCII characters, one random value for each refresh token a client holds */
  readonly idempotencyKey?: string | undefined;
  /** the session the caller means; another one's token is then refused unspent */
  readonly sid?: string | undefined;
  /** `performance.now()` when the request had been read in full; default: now */
  readonly receivedAt?: number | undefined;
}

export interface RevokeOptions {
  /** only if the session is this subject's */
  readonly subject?: string;
  readonly reason?: RevocationReason;
}

export interface EndOptions {
  readonly reason?: RevocationReason;
}

const IDEMPOTENCY_KEY = /^[\x21-\x7e]{16,128}$/;
const MAX_SESSIONS_LISTED = 1000;
const MAX_SCOPE_LENGTH = 512;

/** Logins, refreshes, ends: everything the application does with token families. */
export class TokenService implements SessionCheck {
  constructor(
    private readonly store: RefreshTokenStore,
    private readonly codec: RefreshTokenCodec,
    private readonly rotator: Rotator,
    private readonly accessTokens: AccessTokens,
    private readonly claims: ClaimsSource,
    private readonly revocations: RevocationMemory,
    private readonly events: TokenEventSink,
    private readonly clock: Clock,
    private readonly options: ResolvedOptions,
    private readonly tally: IssuerTally,
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
   * @throws {TypeError} an argument is not as described: a mistake of the caller's
   * @throws {InvalidGrantError} the claims provider refused the subject
   * @throws {UnavailableError} the database or the claims provider did not answer in time; log in again
   * @see RFC 6749 section 5.1
   */
  async issue(subject: string, options: IssueOptions = {}): Promise<TokenPair> {
    const { clientId = this.options.clientId, scope = null, claims = null, device = null, manager } = options;
    if (!isName(subject)) throw new TypeError('subject must be a text of 1 to 255 characters');
    if (!isName(clientId)) throw new TypeError('clientId must be a text of 1 to 255 characters');
    if (scope !== null && !isScope(scope)) {
      throw new TypeError(
        `scope must be words of RFC 6749 section 3.3, ${MAX_SCOPE_LENGTH} characters at most`,
      );
    }
    if (!isClaims(claims)) throw new TypeError(`claims must be JSON of at most ${MAX_CLAIMS_BYTES} bytes`);
    const sign = this.accessTokens.signer();
    const token = this.codec.first(this.clock.now());
    const granted = await this.claims.claimsFor({
      familyId: token.familyId,
      subject,
      clientId,
      scope,
      claims,
    });
    if (!granted) throw new InvalidGrantError('ERR_SUBJECT_REFUSED');
    const login = { token, subject, clientId, scope, claims, device };
    const { evicted, ...grant } = await this.store.insert(login, manager);
    this.events.emit({ type: 'issued', sid: token.familyId, subject, clientId, generation: 0 });
    // Those that ended in the caller's transaction have not ended before it commits: the next poll finds them.
    if (!manager) this.#revoked(evicted, 'session_limit');
    return this.#pair(token, grant, sign(grant, granted, grant.now));
  }

  /**
   * Spends `refreshToken` and issues its successor with a new access token.
   *
   * Safe to call from any number of nodes: exactly one call per token rotates. A repeat within
   * `refreshToken.leeway`, or at any time with the same Idempotency-Key, gets the same refresh token again; a
   * later one without it ends the family.
   *
   * @param refreshToken as the client sent it
   * @throws {InvalidGrantError} malformed, unknown, expired, reused or revoked
   * @throws {InvalidRequestError} the Idempotency-Key is malformed, or spent already
   * @throws {SessionMismatchError} the token is not of session `sid`; nothing was spent
   * @throws {UnavailableError} the database or the claims provider did not answer in time; repeat the request
   * @see RFC 6749 section 6, RFC 9700 section 4.14.2
   */
  async rotate(refreshToken: string, options: RotateOptions = {}): Promise<TokenPair> {
    try {
      const [pair, verdict] = await this.#rotate(refreshToken, options);
      this.tally.refreshed(verdict);
      return pair;
    } catch (error) {
      this.tally.notRefreshed(error);
      throw error;
    }
  }

  async #rotate(refreshToken: string, options: RotateOptions): Promise<[TokenPair, RefreshVerdict]> {
    const {
      clientId = this.options.clientId,
      idempotencyKey,
      sid,
      receivedAt = this.clock.monotonic(),
    } = options;
    if (idempotencyKey !== undefined && !IDEMPOTENCY_KEY.test(idempotencyKey)) {
      const remedy = 'Idempotency-Key must be 16 to 128 visible ASCII characters';
      throw new InvalidRequestError('ERR_IDEMPOTENCY_KEY_MALFORMED', remedy);
    }
    if (!isName(clientId)) throw new InvalidGrantError('ERR_REFRESH_TOKEN_CLIENT_MISMATCH');
    const token = this.codec.decode(refreshToken);
    if (sid !== undefined && sid !== token.familyId) throw new SessionMismatchError();
    const sign = this.accessTokens.signer();
    const attemptHash = idempotencyKey === undefined ? null : sha256(idempotencyKey);
    const attempt = { token, clientId, attemptHash, receivedAt };
    const { verdict, token: current, grant, claims } = await this.rotator.refresh(attempt);
    return [this.#pair(current, grant, sign(grant, claims, grant.now)), verdict];
  }

  /**
   * Ends one session. From the commit on, no refresh of it succeeds anywhere; access tokens follow on each node
   * as it learns of it.
   *
   * @returns false when no session (of `subject`) with this id is left to end, expired ones included
   * @throws {UnavailableError} not known to have happened; repeat the call
   */
  async revoke(sid: string, { subject, reason = 'logout' }: RevokeOptions = {}): Promise<boolean> {
    const revoked = isUuid(sid) ? await this.store.revoke(sid, reason, subject) : null;
    if (revoked) this.#revoked([revoked], reason);
    return revoked !== null;
  }

  /**
   * Ends the session a refresh token belongs to, whichever generation it is of: who holds one may end it.
   *
   * @param options `clientId`: only if the token was issued to this client; default: whichever it was issued to
   * @returns false when it is no token of a living session: there is nothing left to end
   * @throws {InvalidGrantError} the session is another client's, and lives on
   * @throws {UnavailableError} not known to have happened; repeat the call
   * @see RFC 7009 section 2.1
   */
  async revokeToken(
    refreshToken: string,
    { clientId }: { clientId?: string | undefined } = {},
  ): Promise<boolean> {
    const token = this.#decodeOrNull(refreshToken);
    const family = token && (await this.store.look(token.familyId)).family;
    if (!token || !family?.rootHash.equals(token.rootHash)) return false;
    if (clientId !== undefined && clientId !== family.clientId) {
      throw new InvalidGrantError('ERR_REFRESH_TOKEN_CLIENT_MISMATCH');
    }
    return this.revoke(token.familyId);
  }

  /**
   * Ends every session of a subject, logins in flight included, or all but one.
   *
   * @returns how many were ended, expired ones included
   * @throws {UnavailableError} not known to have happened; repeat the call
   */
  async revokeAll(
    subject: string,
    { except, reason = 'logout' }: { except?: string; reason?: RevocationReason } = {},
  ): Promise<number> {
    if (except !== undefined && !isUuid(except)) throw new TypeError('except must be a session id');
    const revoked = await this.store.revokeSubject(subject, reason, except);
    this.#revoked(revoked, reason);
    return revoked.length;
  }

  /**
   * Ends every session of a subject but the one that changed the password: call it when the change is committed.
   *
   * @param options `except`: the session that goes on, as a rule the one the change was made in
   * @returns how many were ended, expired ones included
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
   * @throws {TypeError} clientId is no such text
   * @throws {UnavailableError} repeat the call
   */
  async revokeClient(clientId: string, { reason = 'administrative' }: EndOptions = {}): Promise<number> {
    if (!isName(clientId)) throw new TypeError('clientId must be a text of 1 to 255 characters');
    return this.#revokeEvery({ clientId }, reason);
  }

  /**
   * Ends every session there is: after a leak, or when an old backup was restored.
   *
   * Whatever was there or under way on any node when it is called has ended when it resolves; a login that begins
   * later lives, were it in the same millisecond. Runs in steps of 5,000 rows beside ordinary traffic, each told to all
   * nodes when it is committed.
   *
   * @returns how many were ended, expired ones included
   * @throws {UnavailableError} a login in a transaction of the application's went on for longer than
   * `database.lockTimeout`, or the database did not answer in time: what was ended stays ended; repeat the call for the
   * rest, which also ends the logins made meanwhile
   */
  revokeEveryone({ reason = 'administrative' }: EndOptions = {}): Promise<number> {
    return this.#revokeEvery({}, reason);
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
    const refreshToken = this.#decodeOrNull(token);
    return refreshToken
      ? introspectRefreshToken(refreshToken, await this.#look(refreshToken.familyId))
      : introspectAccessToken(token, this.accessTokens, (sid) => this.#look(sid));
  }

  #pair(token: RefreshTokenParts, grant: Grant & Stamped, signed: ReturnType<SignAccessToken>): TokenPair {
    return {
      ...signed,
      refreshToken: token.text,
      refreshExpiresIn: refreshExpiresIn(grant, grant.now, this.options.refreshToken.idleLifetime),
      scope: grant.scope,
      sid: grant.familyId,
      subject: grant.subject,
    };
  }

  async #revokeEvery(which: { readonly clientId?: string }, reason: RevocationReason): Promise<number> {
    let count = 0;
    await this.store.revokeEvery(which, reason, (families) => {
      count += families.length;
      this.#revoked(families, reason);
    });
    return count;
  }

  /** What this node knows to be revoked is over, though a failover may have lost the revocation. */
  async #look(sid: string): Promise<Look> {
    const look = await this.store.look(sid);
    return this.revocations.knows(sid) ? { ...look, family: null } : look;
  }

  #revoked(families: readonly RevokedFamily[], reason: RevocationReason): void {
    this.revocations.learn(families.map(({ sid }) => sid));
    for (const family of families) this.events.emit({ type: 'revoked', ...family, reason });
  }

  /** A key this node does not know yet is an outage; every other failure is just no token of ours. */
  #decodeOrNull(text: string): RefreshTokenParts | null {
    try {
      return this.codec.decode(text);
    } catch (error) {
      if (error instanceof UnavailableError) throw error;
      return null;
    }
  }
}

const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*$/;

const CONTROL = /\p{Cc}/u;

function isScope(scope: string): boolean {
  return scope.length <= MAX_SCOPE_LENGTH && SCOPE.test(scope);
}

/** What PostgreSQL can store and a claim can carry. */
function isName(text: string): boolean {
  return (
    typeof text === 'string' &&
    text.length > 0 &&
    text.length <= 255 &&
    !CONTROL.test(text) &&
    text.isWellFormed()
  );
}
