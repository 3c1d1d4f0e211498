import {
  Inject,
  Injectable,
  Logger,
  Optional,
  type ExecutionContext,
  type OnModuleInit,
} from '@nestjs/common';
import { AuthGuard } from '@nestjs/passport';
import { grantsScope, isFresh, type AccessTokenClaims } from '../core/access-token.js';
import {
  AuthError,
  InsufficientScopeError,
  InsufficientUserAuthenticationError,
  InvalidTokenError,
  UnavailableError,
} from '../core/errors.js';
import { AccessPolicy, Clock, SessionCheck } from '../core/ports.js';
import { RevocationCheck } from '../core/revocation-ports.js';
import { AccessTokenVerifier } from '../jwt/verification.js';
import { AccessTokenStrategy, type PassportRequest } from './access-token.strategy.js';
import { asHttpException } from './auth-http.exception.js';
import { assertWellFormed, readCredentials, tokenIn } from './bearer.js';
import { GuardOutcomes } from './guard-outcomes.js';
import { rememberPrincipal, requestOf, rpcContextOf, type ContextType } from './principal.js';
import { RefusalLog } from './refusal-log.js';
import { RouteRequirements, type Requirements } from './requirements.js';
import { readRpcCredentials } from './rpc-credentials.js';
import { SocketSessions } from './socket-sessions.js';
import { VerifiedTokens } from './verified-tokens.js';
import { asWsException, loadWsException } from './ws-exception.js';

/** Of a check that passed: nothing, or a promise of it where a subclass has made it wait. */
type Outcome = void | Promise<void>;

const PASSPORT_REQUEST = Symbol('token-family:passport-request');

/**
 * Lets a request pass that carries a good access token of a session nobody has revoked; its claims, frozen, are then
 * `request.user` and `@CurrentUser()`.
 *
 * Needs no database but for `@Strict()`. Serves HTTP, GraphQL, WebSocket messages and microservices; a context of any
 * other kind is refused. A token seen before, or one whose key is at hand, is answered synchronously; passport is
 * asked when a key has to be waited for. Every step is a protected method, for subclasses.
 */
@Injectable()
export class AccessGuard extends AuthGuard() implements OnModuleInit {
  readonly #requirements = new RouteRequirements();
  readonly #strategy: AccessTokenStrategy;
  /** Of sockets; what is refused elsewhere the filter logs. */
  readonly #refusals: RefusalLog;

  constructor(
    strategy: AccessTokenStrategy,
    private readonly verifier: AccessTokenVerifier,
    private readonly verified: VerifiedTokens,
    private readonly sockets: SocketSessions,
    private readonly outcomes: GuardOutcomes,
    @Inject(RevocationCheck) private readonly revocations: RevocationCheck,
    @Inject(Clock) private readonly clock: Clock,
    @Inject(AccessPolicy) private readonly policy: AccessPolicy,
    @Optional() @Inject(SessionCheck) private readonly sessions?: SessionCheck | null,
  ) {
    super({ defaultStrategy: strategy });
    this.#strategy = strategy;
    this.#refusals = new RefusalLog(new Logger('AuthError'), clock);
  }

  async onModuleInit(): Promise<void> {
    await loadWsException();
  }

  /**
   * @throws {AuthHttpException} (in a WebSocket context `WsException`) for one of these reasons:
   * @throws {InvalidTokenError} missing, invalid, expired or revoked
   * @throws {InvalidRequestError} a malformed Authorization header, or two tokens
   * @throws {InsufficientScopeError} `@RequireScope()` demands more than the token grants
   * @throws {InsufficientUserAuthenticationError} the login is older than `@Fresh()` allows
   * @throws {UnavailableError} it cannot be told whether the token is good
   */
  override canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    try {
      const requirements = this.getRequirements(context);
      if (requirements.access === 'public') return true;
      const credentials = this.getCredentials(context);
      if (credentials === null) return this.admitAnonymous(requirements);
      const now = this.clock.now();
      const claims = this.verifyNow(credentials, now);
      const admitted = claims
        ? this.admit(context, claims, requirements, now)
        : this.#verifyLater(context, credentials).then((later) =>
            this.admit(context, later, requirements, this.clock.now()),
          );
      return admitted === true ? true : admitted.catch((error: unknown) => this.#refuse(context, error));
    } catch (error) {
      return this.#refuse(context, error);
    }
  }

  protected getRequirements(context: ExecutionContext): Requirements {
    return this.#requirements.of(context);
  }

  /**
   * `Bearer` and the access token, as they were sent and not yet looked at; null when there are none.
   *
   * Of a socket it is the one `SocketSessions` keeps, and `@CurrentUser()` is the socket's. A subclass that takes a token
   * from each message has to hand the claims over itself, from `admit`: messages of one socket overlap.
   *
   * @throws {InvalidTokenError} a context this guard does not know
   */
  protected getCredentials(context: ExecutionContext): string | null {
    switch (context.getType<ContextType>()) {
      case 'http':
      case 'graphql': {
        const request = requestOf(context);
        if (!request?.headers) throw new InvalidTokenError('ERR_CONTEXT_UNKNOWN');
        return readCredentials(request);
      }
      case 'ws':
        return this.sockets.credentialsOf(context.switchToWs().getClient<object>());
      case 'rpc':
        return readRpcCredentials(context.switchToRpc().getData(), rpcContextOf(context));
      default:
        throw new InvalidTokenError('ERR_CONTEXT_UNKNOWN');
    }
  }

  /** A request without a token. */
  protected admitAnonymous({ access }: Requirements): true {
    if (access === 'optional') {
      this.outcomes.anonymous++;
      return true;
    }
    throw new InvalidTokenError('ERR_TOKEN_MISSING');
  }

  /**
   * The claims, if they can be had without waiting.
   *
   * @param now milliseconds since the epoch on this node's clock
   */
  protected verifyNow(credentials: string, now: number): AccessTokenClaims | undefined {
    const { keyVersion } = this.verifier;
    const known = this.verified.find(credentials, keyVersion, now);
    if (known) return known;
    const claims = this.#judge(credentials);
    if (claims) this.#remember(credentials, claims, keyVersion, now);
    return claims;
  }

  /**
   * What remains to be asked of a verified token, for this route and at this moment.
   *
   * @param now milliseconds since the epoch on this node's clock
   */
  protected admit(
    context: ExecutionContext,
    claims: AccessTokenClaims,
    { scope, maxAge, strict }: Requirements,
    now: number,
  ): true | Promise<true> {
    const revocation = heard(this.checkRevocation(claims, now));
    const granted = heard(this.checkScope(claims, scope));
    const fresh = maxAge === null ? undefined : this.checkFreshness(claims, maxAge, now);
    if (!strict && revocation === undefined && granted === undefined && fresh === undefined) {
      return this.#letIn(context, claims);
    }
    const session = strict ? this.checkSession(claims) : undefined;
    return Promise.all([revocation, granted, fresh, session]).then(() => this.#letIn(context, claims));
  }

  /** Each check throws what it refuses. A subclass may make it wait for something: its promise is awaited. */
  protected checkRevocation(claims: AccessTokenClaims, now: number): Outcome {
    if (this.revocations.isRevoked(claims.sid, now, claims)) {
      throw new InvalidTokenError('ERR_ACCESS_TOKEN_REVOKED');
    }
  }

  protected checkScope(claims: AccessTokenClaims, scope: readonly string[]): Outcome {
    if (scope.length > 0 && !grantsScope(claims, scope)) throw new InsufficientScopeError(scope.join(' '));
  }

  protected checkFreshness(claims: AccessTokenClaims, maxAge: number, now: number): Outcome {
    if (!isFresh(claims, maxAge, this.policy.clockTolerance, now)) {
      throw new InsufficientUserAuthenticationError(maxAge);
    }
  }

  /** For `@Strict()`: the database is asked, too, so that a session ended this instant is refused. */
  protected async checkSession(claims: AccessTokenClaims): Promise<void> {
    if (!this.sessions) {
      const cause = new Error('@Strict() needs a database, which this application has not: use AuthModule');
      throw new UnavailableError('ERR_SESSION_CHECK_UNAVAILABLE', { cause });
    }
    if (!(await this.sessions.isAlive(claims.sid))) throw new InvalidTokenError('ERR_ACCESS_TOKEN_REVOKED');
  }

  /** Called by passport's guard: turns every outcome but a verified token into one of our errors. */
  override handleRequest<T>(error: unknown, user: T | false | null, info: unknown): T {
    if (user && !error) return user;
    const known = [error, info].find((reason) => reason instanceof AuthError);
    throw known ?? new InvalidTokenError('ERR_ACCESS_TOKEN_INVALID', { cause: error ?? info });
  }

  override getRequest(context: ExecutionContext): unknown {
    return (context as Partial<PassportContext>)[PASSPORT_REQUEST] ?? requestOf(context);
  }

  /** Passport answers nothing by itself: errors are thrown, and the filter answers. */
  getResponse(): object {
    return {};
  }

  /** What is a token of ours is well formed, too: only of any other is that a question, which costs 0.4 µs. */
  #judge(credentials: string): AccessTokenClaims | undefined {
    try {
      return this.verifier.verifyNow(tokenIn(credentials));
    } catch (error) {
      assertWellFormed(credentials);
      throw error;
    }
  }

  async #verifyLater(context: ExecutionContext, credentials: string): Promise<AccessTokenClaims> {
    const request: PassportRequest = { token: tokenIn(credentials) };
    const asking: PassportContext = Object.create(context, { [PASSPORT_REQUEST]: { value: request } });
    const { keyVersion } = this.verifier;
    // Nest has replaced the base class's options by those of any PassportModule in sight, and with them the strategy by
    // whatever another one calls its default. Not mended by an accessor, as that would make every property here slow.
    Object.assign(this, { options: { defaultStrategy: this.#strategy } });
    await super.canActivate(asking);
    const claims = request.user!;
    this.#remember(credentials, claims, keyVersion, this.clock.now());
    return claims;
  }

  #remember(credentials: string, claims: AccessTokenClaims, keyVersion: number, now: number): void {
    const expiresAt = (claims.exp + this.policy.clockTolerance) * 1000;
    this.verified.add({ credentials, claims, expiresAt }, keyVersion, now);
  }

  #letIn(context: ExecutionContext, claims: AccessTokenClaims): true {
    this.outcomes.admitted++;
    rememberPrincipal(context, claims);
    return true;
  }

  #refuse(context: ExecutionContext, error: unknown): never {
    this.outcomes.refuse(error);
    if (context.getType() !== 'ws') throw asHttpException(error);
    if (error instanceof AuthError) this.#refusals.add(error);
    throw asWsException(error);
  }
}

type PassportContext = ExecutionContext & { readonly [PASSPORT_REQUEST]: PassportRequest };

/** What one check will say is of no interest when the next one refuses at once; unheard, it would end the process. */
function heard(outcome: Outcome): Outcome {
  if (outcome) outcome.catch(() => {});
  return outcome;
}
