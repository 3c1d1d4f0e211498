import { Module, type DynamicModule, type Provider, type Type } from '@nestjs/common';
import { JwtModule } from '@nestjs/jwt';
import { TypeOrmModule } from '@nestjs/typeorm';
import { ACCESS_EXPORTS } from './access/access.providers.js';
import {
  ASYNC_OPTIONS_TYPE,
  ConfigurableModuleClass,
  OPTIONS_TYPE,
  type AuthModuleExtras,
  type RoutesOptions,
} from './auth.module-definition.js';
import { PROVIDERS } from './auth.providers.js';
import { storesOn, STORES_IN_MEMORY } from './auth.stores.js';
import { ResolvedOptions } from './core/options.js';
import { SessionCheck } from './core/ports.js';
import { RefreshTokenCodec } from './core/refresh-token.js';
import { AuthorizationServer, describeAuthorizationServer } from './http/authorization-server.js';
import { ClientAuthentication } from './http/client-authentication.js';
import { ClientGuard } from './http/client.guard.js';
import { mounted } from './http/mounted.js';
import { RefreshController } from './http/refresh.controller.js';
import { RefreshGuard } from './http/refresh.guard.js';
import { RevocationsController } from './http/revocations.controller.js';
import { SessionsController } from './http/sessions.controller.js';
import { WellKnownController } from './http/well-known.controller.js';
import { TokenPruning } from './issuer/pruning.js';
import { TokenEvents } from './issuer/token-events.js';
import { TokenService } from './issuer/token.service.js';
import { SigningKeyService } from './jwt/signing-key.service.js';
import { TokenHealth } from './operations/token-health.js';
import { TokenMetrics } from './operations/token-metrics.js';
import { IntrospectionController } from './oauth/introspection.controller.js';
import { TokenController } from './oauth/token.controller.js';
import { TokenRevocationController } from './oauth/token-revocation.controller.js';
import { RefreshToken } from './storage/refresh-token.entity.js';
import { SigningKeyRecord } from './storage/signing-key.entity.js';

const DEFAULT_PREFIX = 'auth';
const DEFAULT_OAUTH_PREFIX = 'oauth';

/** The switchboard, with `auth.providers.ts` and `auth.stores.ts`: the files that see every room. */
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
      ...(inPostgres ? [TypeOrmModule.forFeature([RefreshToken, SigningKeyRecord], dataSource)] : []),
    ],
    providers: [
      ...(definition.providers ?? []),
      ...PROVIDERS,
      describing(routes),
      ...(inPostgres ? storesOn(dataSource) : STORES_IN_MEMORY),
    ],
    controllers: controllersFor(routes),
    exports: [
      TokenService,
      TokenEvents,
      SigningKeyService,
      TokenPruning,
      TokenMetrics,
      TokenHealth,
      RefreshGuard,
      ClientGuard,
      ClientAuthentication,
      ResolvedOptions,
      RefreshTokenCodec,
      SessionCheck,
      ...ACCESS_EXPORTS,
    ],
  };
}

function controllersFor(routes: AuthModuleExtras['routes']): Type[] {
  if (!routes) return [];
  const { prefix = DEFAULT_PREFIX, oauthPrefix = DEFAULT_OAUTH_PREFIX }: RoutesOptions =
    routes === true ? {} : routes;
  return [
    mounted(RefreshController, prefix),
    mounted(SessionsController, `${prefix}/sessions`),
    mounted(RevocationsController, `${prefix}/revocations`),
    mounted(TokenController, oauthPrefix),
    mounted(TokenRevocationController, oauthPrefix),
    mounted(IntrospectionController, oauthPrefix),
    mounted(WellKnownController, ''),
  ];
}

function describing(routes: AuthModuleExtras['routes']): Provider {
  const {
    oauthPrefix = DEFAULT_OAUTH_PREFIX,
    baseUrl,
    wellKnownUrl,
  }: RoutesOptions = typeof routes === 'object' ? routes : {};
  return {
    provide: AuthorizationServer,
    inject: [ResolvedOptions],
    useFactory: (options: ResolvedOptions) =>
      describeAuthorizationServer(options, { oauthPrefix, baseUrl, wellKnownUrl }),
  };
}
