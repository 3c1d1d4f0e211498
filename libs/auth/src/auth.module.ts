import { Logger, Module, type DynamicModule, type Provider, type Type } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { JwtModule, JwtService } from '@nestjs/jwt';
import { getDataSourceToken, TypeOrmModule } from '@nestjs/typeorm';
import type { DataSource } from 'typeorm';
import {
  ASYNC_OPTIONS_TYPE,
  ConfigurableModuleClass,
  MODULE_OPTIONS_TOKEN,
  OPTIONS_TYPE,
  type AuthModuleExtras,
  type RoutesOptions,
} from './auth.module-definition.js';
import { resolveOptions, ResolvedOptions, warningsFor, type TokenFamilyOptions } from './core/options.js';
import {
  AccessPolicy,
  AccessTokens,
  Clock,
  KeySource,
  RefreshTokenStore,
  RevocationCheck,
  SessionCheck,
} from './core/ports.js';
import { RefreshTokenCodec } from './core/refresh-token.js';
import { AccessGuard } from './access/access.guard.js';
import { AccessTokenStrategy } from './access/access-token.strategy.js';
import { AuthErrorFilter } from './access/auth-error.filter.js';
import { SocketSessions } from './access/socket-sessions.js';
import { VerifiedTokens } from './access/verified-tokens.js';
import { AuthorizationServer, describeAuthorizationServer } from './http/authorization-server.js';
import { mounted } from './http/mounted.js';
import { RefreshController } from './http/refresh.controller.js';
import { RefreshGuard } from './http/refresh.guard.js';
import { SessionsController } from './http/sessions.controller.js';
import { WellKnownController } from './http/well-known.controller.js';
import { TokenResponseInterceptor } from './http/token-response.interceptor.js';
import { ClaimsSource } from './issuer/claims.source.js';
import { Rotator } from './issuer/rotator.js';
import { TokenEvents } from './issuer/token-events.js';
import { TokenService } from './issuer/token.service.js';
import { AccessTokenSigner } from './jwt/access-token.signer.js';
import { KeyRing } from './jwt/key-ring.js';
import { STATIC_KEYS } from './jwt/static-keys.js';
import { importSigningKeys } from './jwt/signing-keys.js';
import { AccessTokenVerifier } from './jwt/verification.js';
import { RevocationFeed } from './revocation/revocation.feed.js';
import { MemoryRefreshTokenStore } from './storage/memory.store.js';
import { RefreshToken } from './storage/refresh-token.entity.js';
import { TypeOrmRefreshTokenStore } from './storage/typeorm.store.js';

const DEFAULT_PREFIX = 'auth';

/** The switchboard: the one file that sees every room. */
@Module({})
export class AuthModule extends ConfigurableModuleClass {
  /** @throws {ConfigError} when the application starts, naming every fault of the options at once */
  static override forRoot(options: typeof OPTIONS_TYPE): DynamicModule {
    return assemble(super.forRoot(options), options);
  }

  static override forRootAsync(options: typeof ASYNC_OPTIONS_TYPE): DynamicModule {
    return assemble(super.forRootAsync(options), options);
  }
}

function assemble(definition: DynamicModule, extras: AuthModuleExtras): DynamicModule {
  const { isGlobal = true, dataSource, routes = false, store = 'postgres' } = extras;
  const inPostgres = store === 'postgres';
  return {
    ...definition,
    global: isGlobal,
    imports: [
      ...(definition.imports ?? []),
      JwtModule.register({}),
      ...(inPostgres ? [TypeOrmModule.forFeature([RefreshToken], dataSource)] : []),
    ],
    providers: [
      ...(definition.providers ?? []),
      ...PROVIDERS,
      describing(routes),
      inPostgres ? storeOn(dataSource) : STORE_IN_MEMORY,
    ],
    controllers: controllersFor(routes),
    exports: [
      TokenService,
      TokenEvents,
      AccessGuard,
      RefreshGuard,
      AccessTokenVerifier,
      AuthErrorFilter,
      ...SHARED_TOKENS,
    ],
  };
}

function controllersFor(routes: AuthModuleExtras['routes']): Type[] {
  if (!routes) return [];
  const { prefix = DEFAULT_PREFIX } = routes === true ? {} : routes;
  return [
    mounted(RefreshController, prefix),
    mounted(SessionsController, `${prefix}/sessions`),
    WellKnownController,
  ];
}

function describing(routes: AuthModuleExtras['routes']): Provider {
  const { prefix = DEFAULT_PREFIX, baseUrl }: RoutesOptions = typeof routes === 'object' ? routes : {};
  return {
    provide: AuthorizationServer,
    inject: [ResolvedOptions],
    useFactory: ({ issuer, accessToken }: ResolvedOptions) =>
      describeAuthorizationServer(issuer, { prefix, baseUrl }, accessToken.managedKeys?.publishLead ?? null),
  };
}

function storeOn(dataSource: string | undefined): Provider {
  return {
    provide: RefreshTokenStore,
    inject: [getDataSourceToken(dataSource), ResolvedOptions],
    useFactory: (source: DataSource, options: ResolvedOptions) =>
      new TypeOrmRefreshTokenStore(source, options),
  };
}

const STORE_IN_MEMORY: Provider = {
  provide: RefreshTokenStore,
  inject: [ResolvedOptions, Clock],
  useFactory: (options: ResolvedOptions, clock: Clock) =>
    new MemoryRefreshTokenStore(options, () => clock.now()),
};

/** What guards and interceptors of this package need when an application uses them in its own modules. */
const SHARED_TOKENS = [
  ResolvedOptions,
  RevocationCheck,
  SessionCheck,
  Clock,
  AccessPolicy,
  AccessTokenStrategy,
  VerifiedTokens,
  SocketSessions,
];

const CONFIGURATION = Symbol('Configuration');

interface Configuration {
  readonly options: ResolvedOptions;
  readonly ring: KeyRing;
}

/** One pass over options and keys, so that the faults of both are reported together. */
function configure(input: TokenFamilyOptions): Configuration {
  const { keys: inputs, algorithm } = input?.accessToken ?? {};
  // What is no list at all is a fault that resolveOptions finds.
  const { keys, faults } = importSigningKeys(Array.isArray(inputs) ? inputs : [], algorithm);
  const options = resolveOptions(input, faults);
  for (const warning of warningsFor(options)) new Logger(AuthModule.name).warn(warning);
  const ring = new KeyRing();
  ring.replace(keys, keys[0]);
  return { options, ring };
}

const PROVIDERS: Provider[] = [
  {
    provide: Clock,
    useValue: { now: () => Date.now(), monotonic: () => performance.now() } satisfies Clock,
  },
  { provide: CONFIGURATION, inject: [MODULE_OPTIONS_TOKEN], useFactory: configure },
  { provide: ResolvedOptions, inject: [CONFIGURATION], useFactory: ({ options }: Configuration) => options },
  { provide: KeyRing, inject: [CONFIGURATION], useFactory: ({ ring }: Configuration) => ring },
  { provide: KeySource, useValue: STATIC_KEYS },
  {
    provide: RefreshTokenCodec,
    inject: [ResolvedOptions],
    useFactory: ({ refreshToken }: ResolvedOptions) => new RefreshTokenCodec(refreshToken.keys),
  },
  {
    provide: AccessTokenSigner,
    inject: [JwtService, KeyRing, ResolvedOptions],
    useFactory: (jwt: JwtService, ring: KeyRing, options: ResolvedOptions) =>
      new AccessTokenSigner(jwt, ring, options),
  },
  {
    provide: AccessTokenVerifier,
    inject: [KeyRing, KeySource, ResolvedOptions, Clock],
    useFactory: (ring: KeyRing, source: KeySource, options: ResolvedOptions, clock: Clock) => {
      const { issuer, audience, clockTolerance, accessToken } = options;
      const policy = { issuer, audience, clockTolerance, maxLifetime: accessToken.lifetime };
      return new AccessTokenVerifier([{ ring, source, policy }], clock);
    },
  },
  {
    provide: VerifiedTokens,
    inject: [ResolvedOptions],
    useFactory: ({ accessToken }: ResolvedOptions) => new VerifiedTokens(accessToken.cacheSize),
  },
  SocketSessions,
  {
    provide: AccessTokens,
    inject: [AccessTokenSigner, AccessTokenVerifier],
    useFactory: (signer: AccessTokenSigner, verifier: AccessTokenVerifier): AccessTokens => ({
      sign: (grant, own, now) => signer.sign(grant, own, now),
      verify: (token) => verifier.verify(token),
    }),
  },
  {
    provide: RevocationCheck,
    inject: [RefreshTokenStore, KeySource, ResolvedOptions, Clock],
    useFactory: (...args: ConstructorParameters<typeof RevocationFeed>) => new RevocationFeed(...args),
  },
  TokenEvents,
  {
    provide: ClaimsSource,
    inject: [ResolvedOptions],
    useFactory: ({ claims, accessToken }: ResolvedOptions) =>
      new ClaimsSource(claims, accessToken.claimsTimeout),
  },
  {
    provide: Rotator,
    inject: [
      RefreshTokenStore,
      RefreshTokenCodec,
      ClaimsSource,
      RevocationCheck,
      TokenEvents,
      Clock,
      ResolvedOptions,
    ],
    useFactory: (
      store: RefreshTokenStore,
      codec: RefreshTokenCodec,
      claims: ClaimsSource,
      revocations: RevocationCheck,
      events: TokenEvents,
      clock: Clock,
      { refreshToken }: ResolvedOptions,
    ) => new Rotator(store, codec, claims, revocations, events, clock, refreshToken.leeway * 1000),
  },
  {
    provide: TokenService,
    inject: [
      RefreshTokenStore,
      RefreshTokenCodec,
      Rotator,
      AccessTokens,
      ClaimsSource,
      RevocationCheck,
      TokenEvents,
      Clock,
      ResolvedOptions,
    ],
    useFactory: (...args: ConstructorParameters<typeof TokenService>) => new TokenService(...args),
  },
  { provide: AccessPolicy, useExisting: ResolvedOptions },
  { provide: SessionCheck, useExisting: TokenService },
  AccessTokenStrategy,
  AccessGuard,
  RefreshGuard,
  TokenResponseInterceptor,
  AuthErrorFilter,
  { provide: APP_FILTER, useExisting: AuthErrorFilter },
];
