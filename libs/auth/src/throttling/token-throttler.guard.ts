import { createHash } from 'node:crypto';
import { HttpException, Inject, Injectable, Optional, type ExecutionContext } from '@nestjs/common';
import { ThrottlerGuard, type ThrottlerLimitDetail, type ThrottlerRequest } from '@nestjs/throttler';
import { AuthHttpException } from '../access/auth-http.exception.js';
import { readCredentials, tokenIn } from '../access/bearer.js';
import type { HttpRequest } from '../access/http-request.js';
import { VerifiedTokens } from '../access/verified-tokens.js';
import { TooManyRequestsError, UnavailableError } from '../core/errors.js';
import { ResolvedOptions } from '../core/options.js';
import { Clock } from '../core/ports.js';
import { RefreshTokenCodec } from '../core/refresh-token.js';
import { ClientAuthentication } from '../http/client-authentication.js';
import { takesClientSecret } from '../http/takes-client-secret.js';
import { takesRefreshToken } from '../http/takes-refresh-token.js';
import { AccessTokenVerifier } from '../jwt/verification.js';
import { clientAddress } from './client-address.js';
import { presentedFamily } from './presented-family.js';
import { isFromProvedService } from './proved-service.js';

/** What Express and Fastify requests have in common; nothing of it is trusted. */
export type ThrottledRequest = HttpRequest & {
  /** as the framework's own trust in proxies has it */
  readonly ip?: string;
};

/** What these have counted, somebody else may have done: headers that tell of it would be a clock of their refreshes and logins. */
const TOLD_TO_NOBODY: ReadonlySet<string | undefined> = new Set(['family', 'subject']);

/**
 * `ThrottlerGuard`, in which the throttlers named `family`, `subject` and `address` count by what their name says:
 *
 * - `family`: the session of the refresh token presented, and the address it comes from, on our routes that take one and
 *   behind `RefreshGuard`. The token's tag has to verify, so nobody uses up what a session has without having held a token of
 *   it; and who has stolen one uses up a share of their own, so that the session's owner is still judged, and the theft found
 *   out. What is counted here is not counted by the others: an office has one address.
 * - `subject`: who `subjectOf` says is to be logged in, or else `sub` of a verified access token.
 * - `address`: the client's, as `clientAddress` writes it. A token that is no good counts here alone. Where services prove
 *   who they are by a secret, those that do are not counted.
 *
 * A request without what a throttler counts by is not counted by it. Any other throttler is as in `ThrottlerGuard`, and so is
 * what one with a `getTracker` of its own counts by. No key in the storage holds a token or a name. `family` and `subject` set
 * no `X-RateLimit` headers, whatever `setHeaders` says.
 *
 * Serves HTTP; messages of other kinds pass, unless a subclass overrides `shouldSkip` and `getRequestResponse`. Registered as
 * `APP_GUARD` before `AccessGuard`, in a module that sees `AuthModule` or `ResourceServerModule`.
 */
@Injectable()
export class TokenThrottlerGuard extends ThrottlerGuard {
  // Not in a constructor: that of a subclass then has to know ThrottlerGuard's alone. Their names leave it the plain ones.
  @Inject(AccessTokenVerifier) private readonly tokenVerifier!: AccessTokenVerifier;
  @Inject(VerifiedTokens) private readonly verifiedTokens!: VerifiedTokens;
  @Inject(Clock) private readonly tokenClock!: Clock;
  /** Of a service that only verifies there are none of these. */
  @Optional() @Inject(RefreshTokenCodec) private readonly tokenCodec?: RefreshTokenCodec;
  @Optional() @Inject(ResolvedOptions) private readonly tokenOptions?: ResolvedOptions;
  @Optional() @Inject(ClientAuthentication) private readonly tokenClients?: ClientAuthentication;
  readonly #countedByFamily = new WeakSet<object>();

  /** By name; null where a request has nothing to be counted by. */
  readonly #trackers = new Map<
    string | undefined,
    (request: ThrottledRequest, context: ExecutionContext) => string | null | Promise<string | null>
  >([
    ['family', (request, context) => this.#familyOf(request, context)],
    ['subject', (request, context) => this.#subjectOf(request, context)],
    ['address', (request, context) => this.#addressOf(request, context)],
  ]);

  /** The family first: what it counts, the others do not. */
  override async onModuleInit(): Promise<void> {
    await super.onModuleInit();
    this.throttlers = [
      ...this.throttlers.filter(isFamily),
      ...this.throttlers.filter((throttler) => !isFamily(throttler)),
    ];
  }

  /**
   * Whom a request wants to be logged in as, such as the name in the body of a login: counted by `subject`, whatever
   * token comes along. In one spelling and hashed, so that no name becomes a key.
   *
   * Must take any request, malformed ones too. Ask the context which route it is: a path has many spellings.
   *
   * @returns null where nobody is to be logged in: the default, for every request
   */
  protected subjectOf(
    _request: ThrottledRequest,
    _context: ExecutionContext,
  ): string | null | Promise<string | null> {
    return null;
  }

  protected override shouldSkip(context: ExecutionContext): Promise<boolean> {
    return Promise.resolve(context.getType() !== 'http');
  }

  /**
   * @throws {AuthHttpException} for one of these reasons; nothing was spent:
   * @throws {TooManyRequestsError} the limit is reached
   * @throws {UnavailableError} the storage cannot tell
   */
  protected override async handleRequest(props: ThrottlerRequest): Promise<boolean> {
    const { context, throttler, getTracker } = props;
    const track =
      getTracker === this.commonOptions.getTracker ? this.#trackers.get(throttler.name) : undefined;
    if (!track) return this.#count(props);
    const request = this.getRequestResponse(context).req as ThrottledRequest;
    const tracker = await track(request, context);
    if (tracker === null) return true;
    try {
      return await this.#count({
        ...props,
        getTracker: () => {
          if (isFamily(throttler)) this.#countedByFamily.add(request);
          return tracker;
        },
      });
    } catch (cause) {
      if (cause instanceof HttpException) throw cause;
      throw new AuthHttpException(new UnavailableError('ERR_STORE_UNAVAILABLE', { cause }));
    }
  }

  protected override throwThrottlingException(
    _context: ExecutionContext,
    { timeToBlockExpire }: ThrottlerLimitDetail,
  ): Promise<void> {
    throw new AuthHttpException(new TooManyRequestsError(Math.max(1, Math.ceil(timeToBlockExpire))));
  }

  #count(props: ThrottlerRequest): Promise<boolean> {
    return TOLD_TO_NOBODY.has(props.throttler.name)
      ? this.#countInSilence(props)
      : super.handleRequest(props);
  }

  /** As ThrottlerGuard counts, without its headers, which it had no option to leave out before 6.5. */
  async #countInSilence(props: ThrottlerRequest): Promise<boolean> {
    const { context, limit, ttl, throttler, blockDuration, getTracker, generateKey } = props;
    const request = this.getRequestResponse(context).req as ThrottledRequest;
    const ignored = throttler.ignoreUserAgents ?? this.commonOptions.ignoreUserAgents ?? [];
    if (ignored.some((pattern) => pattern.test(String(request.headers['user-agent'])))) return true;
    const tracker = await getTracker(request, context);
    const key = generateKey(context, tracker, throttler.name!);
    const count = await this.storageService.increment(key, ttl, limit, blockDuration, throttler.name!);
    if (count.isBlocked) await this.throwThrottlingException(context, { limit, ttl, key, tracker, ...count });
    return true;
  }

  /** On other routes a refresh token would only free whoever adds one from being counted by address. */
  #familyOf(request: ThrottledRequest, context: ExecutionContext): string | null {
    const { tokenCodec, tokenOptions } = this;
    if (!tokenCodec || !tokenOptions || !takesRefreshToken(context)) return null;
    const sid = presentedFamily(request, tokenCodec, tokenOptions);
    // By the session alone, a thief could use up what its owner has: whom nobody judges, nobody finds the theft of.
    return sid === null ? null : `${sid} ${clientAddress(request.ip)}`;
  }

  /** Who logs in comes first: with a token of their own nobody may guess at the password of another one unseen. */
  async #subjectOf(request: ThrottledRequest, context: ExecutionContext): Promise<string | null> {
    const named = await this.subjectOf(request, context);
    if (named !== null) return digest('login', named.normalize('NFKC').trim().toLowerCase());
    // With the owner's access token a thief could use up here what it cannot use up of the session.
    if (this.#countedByFamily.has(request)) return null;
    const subject = this.#verifiedSubject(request);
    return subject === null ? null : digest('subject', subject);
  }

  #addressOf(request: ThrottledRequest, context: ExecutionContext): string | null {
    const { tokenClients } = this;
    if (this.#countedByFamily.has(request)) return null;
    // Many services of one house poll from one address. On other routes a secret that leaked would be a free pass.
    const isProved = tokenClients && takesClientSecret(context) && isFromProvedService(request, tokenClients);
    return isProved ? null : clientAddress(request.ip);
  }

  #verifiedSubject(request: ThrottledRequest): string | null {
    try {
      const credentials = readCredentials(request);
      if (credentials === null) return null;
      const { tokenVerifier, verifiedTokens, tokenClock } = this;
      const known = verifiedTokens.find(credentials, tokenVerifier.keyVersion, tokenClock.now());
      return (known ?? tokenVerifier.verifyNow(tokenIn(credentials)))?.sub ?? null;
    } catch {
      // Not verified: a claim of such a token is anybody's.
      return null;
    }
  }
}

function isFamily({ name }: { readonly name?: string }): boolean {
  return name === 'family';
}

function digest(kind: 'login' | 'subject', name: string): string {
  return createHash('sha256').update(`${kind} ${name}`).digest('base64url');
}
