import {
  Injectable,
  Logger,
  Module,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type Provider,
} from '@nestjs/common';
import { ACCESS_EXPORTS, ACCESS_PROVIDERS } from './access/access.providers.js';
import { VerifiedTokens } from './access/verified-tokens.js';
import { ConfigError } from './core/errors.js';
import { ResolvedOptions } from './core/options.js';
import { AccessPolicy, Clock, RevocationCheck, SessionCheck } from './core/ports.js';
import {
  resolveResourceServerOptions,
  type ResolvedIssuer,
  type ResolvedResourceServerOptions,
  type ResourceServerOptions,
} from './core/resource-server-options.js';
import { KeyRing } from './jwt/key-ring.js';
import { RemoteKeys } from './jwt/remote-keys.js';
import { importVerificationKeys } from './jwt/signing-keys.js';
import { STATIC_KEYS } from './jwt/static-keys.js';
import { AccessTokenVerifier, type TrustedIssuer } from './jwt/verification.js';
import {
  ConfigurableModuleClass,
  IS_GLOBAL,
  MODULE_OPTIONS_TOKEN,
} from './resource-server.module-definition.js';
import { NO_REVOCATIONS } from './revocation/no-revocations.js';

const TWO_GUARDS =
  'AuthModule is global in this application, too, and the order of imports would decide which AccessGuard guards: ' +
  'set isGlobal: false on one of them, and import that one beside the controllers it is for';

const RESOLVED = Symbol('ResolvedResourceServerOptions');

/** The issuers this service trusts, their keys kept up to date for as long as the application runs. */
@Injectable()
class TrustedIssuers implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #remotes: RemoteKeys[] = [];
  readonly all: readonly TrustedIssuer[];

  constructor(
    private readonly options: ResolvedResourceServerOptions,
    private readonly clock: Clock,
  ) {
    this.all = options.issuers.map((issuer) => this.#trust(issuer));
  }

  async onApplicationBootstrap(): Promise<void> {
    await Promise.all(this.#remotes.map((remote) => remote.start()));
  }

  /** Not a moment earlier: a server that drains still verifies. */
  onApplicationShutdown(): void {
    for (const remote of this.#remotes) remote.stop();
  }

  #trust({ issuer, audience, maxLifetime, jwksUri, keys }: ResolvedIssuer): TrustedIssuer {
    const policy = { issuer, audience, maxLifetime, clockTolerance: this.options.clockTolerance };
    const ring = new KeyRing();
    if (jwksUri === undefined) {
      ring.replace(importVerificationKeys(keys, 'keys').keys);
      return { ring, source: STATIC_KEYS, policy };
    }
    const logger = new Logger(ResourceServerModule.name);
    const source = new RemoteKeys(jwksUri, ring, this.options.jwks, this.clock, logger);
    this.#remotes.push(source);
    return { ring, source, policy };
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
  { provide: RevocationCheck, useValue: NO_REVOCATIONS },
  // Not that of an AuthModule beside it, whose sessions are none of these issuers'.
  { provide: SessionCheck, useValue: null },
];

/**
 * For a service that verifies access tokens and issues none: `AccessGuard` and its decorators, by the same rules as
 * where the tokens come from, without a database.
 */
@Module({ providers: PROVIDERS, exports: [...ACCESS_EXPORTS, SessionCheck] })
export class ResourceServerModule extends ConfigurableModuleClass {}
