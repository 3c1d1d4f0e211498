import { Inject, Injectable, Logger, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import type { AccessTokenClaims } from '../core/access-token.js';
import { InvalidTokenError, SessionMismatchError, UnavailableError, type AuthError } from '../core/errors.js';
import { parseDuration, type Duration } from '../core/lifetime.js';
import { AccessPolicy, Clock } from '../core/ports.js';
import { RevocationCheck } from '../core/revocation-ports.js';
import { AccessTokenVerifier } from '../jwt/verification.js';
import { bodyFor } from './auth-http.exception.js';
import { credentialsWith } from './bearer.js';
import { readHandshake, type UpgradeRequest } from './handshake.js';
import { asAuthError, HeldTokens, type HeldToken } from './held-tokens.js';
import { forgetPrincipal } from './principal.js';
import { RefusalLog } from './refusal-log.js';
import { assertSocket, disconnect, isOpen, onceClosed, tell } from './socket.js';

export interface AcceptOptions {
  /** how long before its token expires a socket is warned, `'30s'` unless given; 0 for no warning */
  readonly warnBefore?: Duration;
}

interface Watched {
  readonly held: HeldToken;
  /** milliseconds before expiry; 0 for never */
  readonly warnBefore: number;
  isWarned: boolean;
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
 * listen: within a second of expiry, of a key's removal or of revocations growing stale, and as soon as this node knows
 * of a revocation, they hear nothing more. Nor is anybody heard: a socket told goodbye has no user any more, in no
 * handler, though its client may go on sending until the connection is closed.
 */
@Injectable()
export class SocketSessions implements OnModuleInit, OnApplicationShutdown {
  readonly #logger = new Logger(SocketSessions.name);
  readonly #refusals: RefusalLog;
  readonly #tokens: HeldTokens;
  /** Outlives the watch: what still comes after our goodbye must not pass for a message without a token. */
  readonly #credentials = new WeakMap<object, string>();
  readonly #watched = new Map<object, Watched>();
  #timer: NodeJS.Timeout | undefined;
  #stopListening: (() => void) | undefined;

  constructor(
    verifier: AccessTokenVerifier,
    @Inject(RevocationCheck) private readonly revocations: RevocationCheck,
    @Inject(AccessPolicy) policy: AccessPolicy,
    @Inject(Clock) private readonly clock: Clock,
  ) {
    this.#refusals = new RefusalLog(this.#logger, clock);
    this.#tokens = new HeldTokens(verifier, revocations, policy, clock);
  }

  onModuleInit(): void {
    this.#stopListening = this.revocations.onRevoked((sids, issuer) =>
      this.#endRevoked(new Set(sids), issuer),
    );
  }

  onApplicationShutdown(): void {
    this.#stopListening?.();
    for (const socket of this.#watched.keys()) this.#forget(socket);
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
   * Accepts a socket with the access token of its handshake, and watches over it from then on.
   *
   * A socket with a bad token is told why, by the message `exception` in the form the guard has, and disconnected: with
   * `ws` by code 1008, or 1013 when it may try again, and the word of `error` for a reason. One with a good token gets
   * `token_expiring`, with `expires_in` in seconds, before its token expires. A socket that was accepted before is
   * renewed instead.
   *
   * Nothing a client does makes it throw, nor what a listener of the application throws meanwhile, so
   * `handleConnection` may await it bare. The guard knows the token from the call on: messages need not wait for the
   * answer.
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
    if (seconds === null)
      throw new TypeError("warnBefore takes a number of seconds, or a text such as '30s'");
    try {
      const token = typeof source === 'string' ? source : this.readHandshake(socket, source);
      if (this.#credentials.has(socket)) return await this.renew(socket, token);
      if (!token) throw new InvalidTokenError('ERR_TOKEN_MISSING');
      this.#credentials.set(socket, credentialsWith(token));
      const held = await this.#tokens.verify(token);
      if (!isOpen(socket)) return null;
      this.#watched.set(socket, { held, warnBefore: seconds * 1000, isWarned: false });
      onceClosed(socket, () => this.#forget(socket));
      this.#timer ??= setInterval(() => this.#look(), LOOK_EVERY).unref();
      return held.claims;
    } catch (error) {
      const reason = this.#logged(error);
      this.#eachOf([socket], () => this.#end(socket, reason));
      return null;
    }
  }

  /**
   * Takes another access token over the open socket, of the session it was accepted for, and watches over that.
   *
   * One that is bad, or of another session, is answered by the message `exception`; the one before stays in force until
   * its own end. So nobody takes over a running socket.
   *
   * @param token as the client sent it; anything but a text is refused
   * @returns the claims; null when it was refused
   * @throws {TypeError} no socket of `ws` or socket.io
   */
  async renew(socket: object, token: unknown): Promise<AccessTokenClaims | null> {
    assertSocket(socket);
    try {
      if (typeof token !== 'string' || token === '') throw new InvalidTokenError('ERR_TOKEN_MISSING');
      const held = await this.#tokens.verify(token);
      const watched = this.#watched.get(socket);
      if (!watched || !isSameSession(watched.held.claims, held.claims)) throw new SessionMismatchError();
      this.#credentials.set(socket, credentialsWith(token));
      this.#watched.set(socket, { ...watched, held, isWarned: false });
      return held.claims;
    } catch (error) {
      const body = bodyFor(this.#logged(error));
      this.#eachOf([socket], () => this.tell(socket, 'exception', body));
      return null;
    }
  }

  /** @throws {InvalidCredentialsError} a token was sent twice */
  protected readHandshake(socket: object, request?: UpgradeRequest): string | null {
    return readHandshake(socket, request);
  }

  /** Sends a message of ours; to override where an adapter has a format of its own. */
  protected tell(socket: object, event: 'exception' | 'token_expiring', data: object): void {
    assertSocket(socket);
    tell(socket, event, data);
  }

  #look(): void {
    const now = this.clock.now();
    const faultOf = this.#tokens.lookAt(now);
    this.#eachOf(this.#watched, ([socket, watched]) => {
      const fault = faultOf(watched.held);
      if (fault) this.#end(socket, fault);
      else this.#warn(socket, watched, now);
    });
  }

  #warn(socket: object, watched: Watched, now: number): void {
    const left = watched.held.claims.exp * 1000 - now;
    if (watched.isWarned || watched.warnBefore === 0 || left > watched.warnBefore) return;
    watched.isWarned = true;
    this.tell(socket, 'token_expiring', { expires_in: Math.max(0, Math.ceil(left / 1000)) });
  }

  /** @param issuer only of those of this one; undefined when there is no other */
  #endRevoked(sids: ReadonlySet<string>, issuer: string | undefined): void {
    this.#eachOf(this.#watched, ([socket, { held }]) => {
      const { sid, iss } = held.claims;
      if (!sids.has(sid) || (issuer !== undefined && issuer !== iss)) return;
      this.#end(socket, new InvalidTokenError('ERR_ACCESS_TOKEN_REVOKED'));
    });
  }

  #end(socket: object, error: AuthError): void {
    assertSocket(socket);
    this.#forget(socket);
    forgetPrincipal(socket);
    const body = bodyFor(error);
    const code = error instanceof UnavailableError ? TRY_AGAIN_LATER : POLICY_VIOLATION;
    try {
      this.tell(socket, 'exception', body);
    } finally {
      disconnect(socket, code, String(body['error']));
    }
  }

  /**
   * Takes one after the other, whatever the application throws in between: socket.io calls its listeners while it
   * disconnects, and `tell` may be its own. Thousands of sockets fail alike, so the log is told of the first.
   */
  #eachOf<T>(all: Iterable<T>, act: (one: T) => void): void {
    const thrown: unknown[] = [];
    for (const one of all) {
      try {
        act(one);
      } catch (error) {
        thrown.push(error);
      }
    }
    if (thrown.length === 0) return;
    const [first] = thrown;
    const reason = first instanceof Error ? (first.stack ?? first.message) : typeof first;
    this.#logger.error(`The application threw while ${thrown.length} sockets were told or ended: ${reason}`);
  }

  #forget(socket: object): void {
    this.#watched.delete(socket);
    if (this.#watched.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Only of handshakes: when sockets end by the thousand, the feed has told the log why. */
  #logged(thrown: unknown): AuthError {
    const error = asAuthError(thrown);
    this.#refusals.add(error);
    return error;
  }
}

function isSameSession(a: AccessTokenClaims, b: AccessTokenClaims): boolean {
  return a.iss === b.iss && a.sub === b.sub && a.sid === b.sid;
}
