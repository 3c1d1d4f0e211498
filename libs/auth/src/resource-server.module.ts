import {
  Injectable,
  Logger,
  Module,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type Provider,
} from '@nestjs/common';
import { ACCESS_EXPORTS, ACCESS_PROVIDERS } from './access/access.providers.js';
import { GuardOutcomes } from './access/guard-outcomes.js';
import { VerifiedTokens } from './access/verified-tokens.js';
import { ConfigError } from './core/errors.js';
import { ResolvedOptions } from './core/options.js';
import { AccessPolicy, Clock, SessionCheck } from './core/ports.js';
import { RevocationCheck } from './core/revocation-ports.js';
import {
  resolveResourceServerOptions,
  warningsForResourceServer,
  type ResolvedIssuer,
  type ResolvedResourceServerOptions,
  type ResourceServerOptions,
} from './core/resource-server-options.js';
import { KeyRing } from './jwt/key-ring.js';
import { RemoteKeys } from './jwt/remote-keys.js';
import { importVerificationKeys } from './jwt/signing-keys.js';
import { STATIC_KEYS } from './jwt/static-keys.js';
import { AccessTokenVerifier, type TrustedIssuer } from './jwt/verification.js';
import { TokenHealth } from './operations/token-health.js';
import { TokenMetrics } from './operations/token-metrics.js';
import {
  ConfigurableModuleClass,
  IS_GLOBAL,
  MODULE_OPTIONS_TOKEN,
} from './resource-server.module-definition.js';
import { resourceServerHealth, resourceServerMetrics } from './resource-server.operations.js';
import { NO_REVOCATIONS } from './revocation/no-revocations.js';
import { RemoteRevocations } from './revocation/remote-revocations.js';
import { RevocationFeed } from './revocation/revocation.feed.js';
import { RevocationsByIssuer } from './revocation/revocations-by-issuer.js';
import { SILENT_CHANNEL } from './revocation/silent-channel.js';

const TWO_GUARDS =
  'AuthModule is global in this application, too, and the order of imports would decide which AccessGuard guards: ' +
  'set isGlobal: false on one of them, and import that one beside the controllers it is for';

/** Of one issuer: twice what one reading may bring, as those of some time ago are remembered beside the new ones. */
const MOST_SESSIONS = 2_000_000;

const RESOLVED = Symbol('ResolvedResourceServerOptions');

/** What is kept up to date for as long as the application runs. */
interface Kept {
  start(): Promise<void>;
  stop(): void | Promise<void>;
}

/** The issuers this service trusts: their keys, and which of their sessions are over. */
@Injectable()
class TrustedIssuers implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #logger = new Logger(ResourceServerModule.name);
  readonly #kept: Kept[] = [];
  readonly all: readonly TrustedIssuer[];
  readonly revocations: ReadonlyMap<string, RevocationCheck>;

  constructor(
    private readonly options: ResolvedResourceServerOptions,
    private readonly clock: Clock,
  ) {
    this.all = options.issuers.map((issuer) => this.#trust(issuer));
    this.revocations = new Map(options.issuers.map((each) => [each.issuer, this.#revocationsOf(each)]));
  }

  /** An issuer that is not up yet does not stop the start: until it is, its tokens are answered by 503. */
  async onApplicationBootstrap(): Promise<void> {
    for (const warning of warningsForResourceServer(this.options)) this.#logger.warn(warning);
    await Promise.all(this.#kept.map((each) => each.start()));
  }

  /** Not a moment earlier: a server that drains still verifies. */
  async onApplicationShutdown(): Promise<void> {
    await Promise.all(this.#kept.map(async (each) => each.stop()));
  }

  #trust({ issuer, audience, maxLifetime, jwksUri, keys }: ResolvedIssuer): TrustedIssuer {
    const policy = { issuer, audience, maxLifetime, clockTolerance: this.options.clockTolerance };
    const ring = new KeyRing();
    if (jwksUri === undefined) {
      ring.replace(importVerificationKeys(keys, 'keys').keys);
      return { ring, source: STATIC_KEYS, policy };
    }
    const source = new RemoteKeys(jwksUri, ring, this.options.jwks, this.clock, this.#logger);
    this.#kept.push(source);
    return { ring, source, policy };
  }

  /** Each of its own: what one issuer says, or fails to say, is nothing to the tokens of another. */
  #revocationsOf({ revocations, maxLifetime }: ResolvedIssuer): RevocationCheck {
    if (!revocations) return NO_REVOCATIONS;
    const { revocation, clockTolerance } = this.options;
    const remote = { ...revocation, clockTolerance };
    const source = new RemoteRevocations(revocations, remote, this.clock, this.#logger);
    const longestLife = maxLifetime + clockTolerance;
    const policy = { ...revocation, longestLife, mostSessions: MOST_SESSIONS };
    const feed = new RevocationFeed(source, STATIC_KEYS, SILENT_CHANNEL, policy, this.clock);
    this.#kept.push({
      start: async () => {
        await feed.refresh().catch(() => {});
        feed.start();
      },
      stop: () => {
        source.close();
        return feed.onApplicationShutdown();
      },
    });
    return feed;
  }
}

const PROVIDERS: Provider[] = [
  ...ACCESS_PROVIDERS,
  {
    provide: RESOLVED,
    inject: [MODULE_OPTIONS_TOKEN, IS_GLOBAL, { token: ResolvedOptions, optional: true }],
    useFactory: (input: ResourceServerOptions, isGlobal: boolean, issuing?: ResolvedOptions) => {
      if (isGlobal && issuing) throw new ConfigError([TWO_GUARDS], ResourceServerModule.name);
      return resolveResourceServerOptions(input, (keys, path) => importVerificationKeys(keys, path).faults);
    },
  },
  {
    provide: TrustedIssuers,
    inject: [RESOLVED, Clock],
    useFactory: (options: ResolvedResourceServerOptions, clock: Clock) => new TrustedIssuers(options, clock),
  },
  {
    provide: AccessTokenVerifier,
    inject: [TrustedIssuers, Clock],
    useFactory: ({ all }: TrustedIssuers, clock: Clock) => new AccessTokenVerifier(all, clock),
  },
  {
    provide: VerifiedTokens,
    inject: [RESOLVED],
    useFactory: ({ cacheSize }: ResolvedResourceServerOptions) => new VerifiedTokens(cacheSize),
  },
  { provide: AccessPolicy, useExisting: RESOLVED },
  {
    provide: RevocationCheck,
    inject: [TrustedIssuers],
    useFactory: ({ revocations }: TrustedIssuers) => new RevocationsByIssuer(revocations),
  },
  // Not that of an AuthModule beside it, whose sessions are none of these issuers'.
  { provide: SessionCheck, useValue: null },
  {
    provide: TokenMetrics,
    inject: [GuardOutcomes, TrustedIssuers],
    useFactory: (guard: GuardOutcomes, { revocations }: TrustedIssuers) =>
      resourceServerMetrics(guard, revocations),
  },
  {
    provide: TokenHealth,
    inject: [TrustedIssuers, RESOLVED],
    useFactory: ({ all, revocations }: TrustedIssuers, { revocation }: ResolvedResourceServerOptions) =>
      resourceServerHealth(all, revocations, revocation.maxStaleness),
  },
];

/**
 * For a service that verifies access tokens and issues none: `AccessGuard` and its decorators, by the same rules as
 * where the tokens come from, without a database.
 */
@Module({ providers: PROVIDERS, exports: [...ACCESS_EXPORTS, SessionCheck, TokenMetrics, TokenHealth] })
export class ResourceServerModule extends ConfigurableModuleClass {}
