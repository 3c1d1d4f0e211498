import { ConfigurableModuleBuilder } from '@nestjs/common';
import type { TokenFamilyOptions } from './core/options.js';

export interface RoutesOptions {
  /** where refresh, logout and sessions are mounted; default `auth` */
  readonly prefix?: string;
  /** where the endpoints for standard clients are mounted, whatever `prefix` is: token, revoke, introspect; default `oauth` */
  readonly oauthPrefix?: string;
  /** where the routes are reached from outside, a global prefix included, for the metadata; default: the issuer */
  readonly baseUrl?: string;
  /** the same for those below `.well-known`, where a global prefix leaves them out; default: `baseUrl` */
  readonly wellKnownUrl?: string;
}

/** What shapes the module itself, and so is given beside the options, to `forRoot` and `forRootAsync` alike. */
export interface AuthModuleExtras {
  /** providers and guards are visible in every module; default true */
  isGlobal?: boolean;
  /** the name of the TypeORM data source, if it has one */
  dataSource?: string | undefined;
  /** `memory` keeps sessions in this process and needs no data source: for tests of an application only */
  store?: 'postgres' | 'memory';
  /** the routes to mount; default `false`: none, the application writes its own */
  routes?: RoutesOptions | boolean;
}

export const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN, OPTIONS_TYPE, ASYNC_OPTIONS_TYPE } =
  new ConfigurableModuleBuilder<TokenFamilyOptions>({ moduleName: 'TokenFamily' })
    .setClassMethodName('forRoot')
    // The builder takes exactly these names out of the options.
    .setExtras<AuthModuleExtras>(
      { isGlobal: true, dataSource: undefined, routes: false, store: 'postgres' },
      (definition) => definition,
    )
    .build();
