import { InvalidGrantError, InvalidRequestError, SessionMismatchError } from '../core/errors.js';
import type { Grant } from '../core/family.js';
import { refreshExpiresIn } from '../core/lifetime.js';
import type { ResolvedOptions } from '../core/options.js';
import type {
  AccessTokens,
  Clock,
  RefreshTokenStore,
  SignAccessToken,
  Stamped,
  TokenEventSink,
} from '../core/ports.js';
import { sha256, type RefreshTokenCodec, type RefreshTokenParts } from '../core/refresh-token.js';
import { checkLogin, isName } from './arguments.js';
import type { ClaimsSource } from './claims.source.js';
import type { IssuerTally, RefreshVerdict } from './issuer-tally.js';
import type { Rotator } from './rotator.js';
import type { SessionEnds } from './session-ends.js';
import type { TokenPair } from './token-pair.js';
import type { IssueOptions, RotateOptions } from './token.options.js';

const IDEMPOTENCY_KEY = /^[\x21-\x7e]{16,128}$/;

/** Logins and refreshes, which hand out tokens: what `TokenService` promises of them is said there. */
export class TokenGrants {
  constructor(
    private readonly store: RefreshTokenStore,
    private readonly codec: RefreshTokenCodec,
    private readonly rotator: Rotator,
    private readonly accessTokens: AccessTokens,
    private readonly claims: ClaimsSource,
    private readonly ends: SessionEnds,
    private readonly events: TokenEventSink,
    private readonly clock: Clock,
    private readonly options: ResolvedOptions,
    private readonly tally: IssuerTally,
  ) {}

  async issue(subject: string, options: IssueOptions): Promise<TokenPair> {
    const { clientId = this.options.clientId, scope = null, claims = null, device = null, manager } = options;
    const about = { subject, clientId, scope, claims, device };
    checkLogin(about);
    this.#checkClient(clientId);
    const sign = this.accessTokens.signer();
    const token = this.codec.first(this.clock.now());
    const granted = await this.claims.claimsFor({ familyId: token.familyId, ...about });
    if (!granted) throw new InvalidGrantError('ERR_SUBJECT_REFUSED');
    const { evicted, ...grant } = await this.store.insert({ token, ...about }, manager);
    this.events.emit({ type: 'issued', sid: token.familyId, subject, clientId, generation: 0 });
    // Those that ended in the caller's transaction have not ended before it commits: the next poll finds them.
    if (!manager) this.ends.tell(evicted, 'session_limit');
    return this.#pair(token, grant, sign(grant, granted, grant.now));
  }

  async rotate(refreshToken: string, options: RotateOptions): Promise<TokenPair> {
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
      scope = null,
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
    const attempt = { token, clientId, attemptHash, scope, receivedAt };
    const { verdict, token: current, grant, claims } = await this.rotator.refresh(attempt);
    return [this.#pair(current, grant, sign(grant, claims, grant.now)), verdict];
  }

  /** @throws {TypeError} no such client: nobody could ever refresh what it would hold */
  #checkClient(clientId: string): void {
    if (this.options.clients.some(({ id }) => id === clientId)) return;
    throw new TypeError('clientId must be one of the clients of the module');
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
}
