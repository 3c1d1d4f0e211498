import { Inject, Injectable, Logger, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import type { AccessTokenClaims } from '../core/access-token.js';
import { AuthError, InvalidTokenError, SessionMismatchError, UnavailableError } from '../core/errors.js';
import { parseDuration, type Duration } from '../core/lifetime.js';
import { AccessPolicy, Clock, RevocationCheck } from '../core/ports.js';
import { AccessTokenVerifier } from '../jwt/verification.js';
import { bodyFor } from './auth-http.exception.js';
import { credentialsWith } from './bearer.js';
import { readHandshake, type UpgradeRequest } from './handshake.js';
import { assertSocket, disconnect, isOpen, onceClosed, tell } from './socket.js';

export interface AcceptOptions {
  /** how long before its token expires a socket is warned, `'30s'` unless given; 0 for no warning */
  readonly warnBefore?: Duration;
}

/** A token somebody has presented, and it was good. */
interface Presented {
  readonly token: string;
  readonly claims: AccessTokenClaims;
  /** of the keys it was verified under */
  readonly keyVersion: number;
}

interface Watched extends Presented {
  /** milliseconds before expiry */
  readonly warnBefore: number;
  readonly isWarned: boolean;
}

/** Milliseconds from one look at all sockets to the next: one timer for all, and a clock that jumps is noticed. */
const LOOK_EVERY = 1000;

/** RFC 6455 section 7.4.1, and of its registry "Try Again Later". */
const POLICY_VIOLATION = 1008;
const TRY_AGAIN_LATER = 1013;

/**
 * Keeps the access tokens of open sockets: accepts one at the handshake, warns before it expires, takes its successor,
 * and disconnects a socket whose token is of no use any more.
 *
 * The guard verifies a socket's token for every message, whatever is done here. What this adds is for sockets that only
 * listen: at most a second after expiry, and as soon as this node knows of a revocation, they hear nothing more.
 */
@Injectable()
export class SocketSessions implements OnModuleInit, OnApplicationShutdown {
  readonly #logger = new Logger(SocketSessions.name);
  /** Outlives the watch: what comes between our goodbye and the end is for the guard to refuse, not to take for a stranger's. */
  readonly #credentials = new WeakMap<object, string>();
  readonly #watched = new Map<object, Watched>();
  #timer: NodeJS.Timeout | undefined;
  #stopListening: (() => void) | undefined;

  constructor(
    private readonly verifier: AccessTokenVerifier,
    @Inject(RevocationCheck) private readonly revocations: RevocationCheck,
    @Inject(AccessPolicy) private readonly policy: AccessPolicy,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.#stopListening = this.revocations.onRevoked((sids) => this.#endRevoked(new Set(sids)));
  }

  onApplicationShutdown(): void {
    this.#stopListening?.();
    clearInterval(this.#timer);
    this.#watched.clear();
  }

  /** How many open sockets have been accepted. */
  get size(): number {
    return this.#watched.size;
  }

  /** Those of a socket that has presented some, good or not; null for any other. */
  credentialsOf(socket: object): string | null {
    return this.#credentials.get(socket) ?? null;
  }

  /**
   * Accepts a socket with the access token of its handshake, and keeps watch over it from then on.
   *
   * A socket with a bad token is told why, by the message `exception` in the form the guard has, and disconnected: with
   * `ws` by code 1008, or 1013 when it may try again, and the word of `error` for a reason. One with a good token gets
   * `token_expiring`, with `expires_in` in seconds, before its token expires. A socket that was accepted before is
   * renewed instead.
   *
   * Nothing a client does makes it throw, so `handleConnection` may await it bare. The guard knows the token from the
   * call on: messages need not wait for the answer.
   *
   * @param socket a WebSocket of `ws` or a Socket of socket.io
   * @param source the access token, or the request `handleConnection` was given; without either, the handshake of a
   * socket.io Socket
   * @returns the claims; null when the socket was refused, or is gone
   * @throws {TypeError} neither of these sockets, or `warnBefore` is no duration
   * @see RFC 6750 section 3.1, RFC 9700 section 4.3.2
   */
  async accept(
    socket: object,
    source?: string | UpgradeRequest,
    { warnBefore = '30s' }: AcceptOptions = {},
  ): Promise<AccessTokenClaims | null> {
    assertSocket(socket);
    const seconds = parseDuration(warnBefore);
    if (seconds === null) throw new TypeError("warnBefore takes a number of seconds, or a text such as '30s'");
    try {
      const token = typeof source === 'string' ? source : this.readHandshake(socket, source);
      if (this.#credentials.has(socket)) return await this.renew(socket, token);
      if (!token) throw new InvalidTokenError('ERR_TOKEN_MISSING');
      this.#credentials.set(socket, credentialsWith(token));
      const presented = await this.#verify(token);
      if (!isOpen(socket)) return null;
      this.#watch(socket, { ...presented, warnBefore: seconds * 1000, isWarned: seconds === 0 });
      return presented.claims;
    } catch (error) {
      this.#end(socket, this.#logged(error));
      return null;
    }
  }

  /**
   * Takes another access token over the open socket, of the session it was accepted for, and keeps watch over that.
   *
   * One that is bad, or of another session, is answered by the message `exception`; the one before then stays in force
   * until its own end. So nobody takes over a running socket.
   *
   * @param token as the client sent it; anything but a text is refused
   * @returns the claims; null when it was refused
   * @throws {TypeError} no socket of `ws` or socket.io
   */
  async renew(socket: object, token: unknown): Promise<AccessTokenClaims | null> {
    assertSocket(socket);
    try {
      if (typeof token !== 'string' || token === '') throw new InvalidTokenError('ERR_TOKEN_MISSING');
      const presented = await this.#verify(token);
      const watched = this.#watched.get(socket);
      if (!watched || !isSameSession(watched.claims, presented.claims)) throw new SessionMismatchError();
      this.#credentials.set(socket, credentialsWith(token));
      this.#watched.set(socket, { ...watched, ...presented, isWarned: watched.warnBefore === 0 });
      return presented.claims;
    } catch (error) {
      this.tell(socket, 'exception', bodyFor(this.#logged(error)));
      return null;
    }
  }

  /** @throws {InvalidRequestError} a token was sent twice */
  protected readHandshake(socket: object, request?: UpgradeRequest): string | null {
    return readHandshake(socket, request);
  }

  /** Sends a message of ours; for a format other than that of Nest's adapters. */
  protected tell(socket: object, event: 'exception' | 'token_expiring', data: object): void {
    assertSocket(socket);
    tell(socket, event, data);
  }

  async #verify(token: string): Promise<Presented> {
    const { keyVersion } = this.verifier;
    const claims = this.verifier.verifyNow(token) ?? (await this.verifier.verify(token));
    if (this.revocations.isRevoked(claims.sid, this.clock.now())) {
      throw new InvalidTokenError('ERR_ACCESS_TOKEN_REVOKED');
    }
    return { token, claims, keyVersion };
  }

  #watch(socket: Parameters<typeof onceClosed>[0], watched: Watched): void {
    this.#watched.set(socket, watched);
    onceClosed(socket, () => this.#forget(socket));
    this.#timer ??= setInterval(() => this.#look(), LOOK_EVERY).unref();
  }

  #forget(socket: object): void {
    this.#watched.delete(socket);
    if (this.#watched.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #end(socket: object, error: AuthError): void {
    this.#forget(socket);
    const body = bodyFor(error);
    this.tell(socket, 'exception', body);
    assertSocket(socket);
    const code = error instanceof UnavailableError ? TRY_AGAIN_LATER : POLICY_VIOLATION;
    disconnect(socket, code, String(body['error']));
  }

  #endRevoked(sids: ReadonlySet<string>): void {
    for (const [socket, { claims }] of this.#watched) {
      if (sids.has(claims.sid)) this.#end(socket, new InvalidTokenError('ERR_ACCESS_TOKEN_REVOKED'));
    }
  }

  #look(): void {
    const now = this.clock.now();
    const { keyVersion } = this.verifier;
    const judged = new Map<string, AuthError | null>();
    for (const [socket, watched] of this.#watched) {
      const fault = this.#faultOf(watched, now) ?? this.#faultOfKey(watched, keyVersion, judged);
      if (fault) {
        this.#end(socket, fault);
        continue;
      }
      const left = watched.claims.exp * 1000 - now;
      const isWarned = watched.isWarned || left <= watched.warnBefore;
      if (isWarned && !watched.isWarned) {
        this.tell(socket, 'token_expiring', { expires_in: Math.max(0, Math.ceil(left / 1000)) });
      }
      this.#watched.set(socket, { ...watched, keyVersion, isWarned });
    }
  }

  /** A feed that has had no news for too long ends sockets, too: one that only listens is asked nothing else. */
  #faultOf({ claims }: Watched, now: number): AuthError | null {
    if (now / 1000 >= claims.exp + this.policy.clockTolerance) {
      return new InvalidTokenError('ERR_ACCESS_TOKEN_EXPIRED');
    }
    try {
      return this.revocations.isRevoked(claims.sid, now)
        ? new InvalidTokenError('ERR_ACCESS_TOKEN_REVOKED')
        : null;
    } catch (error) {
      return asAuthError(error);
    }
  }

  /** One signature for each key, not for each socket: thousands of them would hold everybody up. */
  #faultOfKey(
    { token, claims, keyVersion }: Watched,
    current: number,
    judged: Map<string, AuthError | null>,
  ): AuthError | null {
    if (keyVersion === current) return null;
    const key = `${token.slice(0, token.indexOf('.'))} ${claims.iss}`;
    let fault = judged.get(key);
    if (fault === undefined) judged.set(key, (fault = this.#faultOfSignature(token)));
    return fault;
  }

  #faultOfSignature(token: string): AuthError | null {
    try {
      return this.verifier.verifyNow(token) ? null : new InvalidTokenError('ERR_ACCESS_TOKEN_INVALID');
    } catch (error) {
      return asAuthError(error);
    }
  }

  #logged(thrown: unknown): AuthError {
    const error = asAuthError(thrown);
    const cause = error.cause instanceof Error ? `: ${error.cause.message}` : '';
    if (error instanceof UnavailableError) this.#logger.error(error.code + cause);
    else this.#logger.debug(error.code);
    return error;
  }
}

/** Whatever a source of keys came up with: nobody can tell from it that a token is bad. */
function asAuthError(error: unknown): AuthError {
  return error instanceof AuthError
    ? error
    : new UnavailableError('ERR_VERIFICATION_KEYS_UNAVAILABLE', { cause: error });
}

function isSameSession(a: AccessTokenClaims, b: AccessTokenClaims): boolean {
  return a.iss === b.iss && a.sub === b.sub && a.sid === b.sid;
}
