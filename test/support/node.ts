import { generateKeyPairSync, randomBytes } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import {
  Controller,
  Get,
  Module,
  UseGuards,
  type INestApplication,
  type LoggerService,
  type Type,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { TypeOrmModule } from '@nestjs/typeorm';
import {
  AccessGuard,
  AuthModule,
  CurrentUser,
  TokenEvents,
  TokenService,
  type AccessTokenClaims,
  type AuthModuleExtras,
  type TokenEvent,
  type TokenEventType,
  type TokenFamilyOptions,
} from 'nestjs-token-family';
import { dataSourceOptions } from './database.js';

export type Adapter = 'express' | 'fastify';

/** Keys of one system: every node of a test gets the same. */
export const signingKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
export const refreshTokenKey = { id: 1, secret: randomBytes(32) };

export const baseOptions: TokenFamilyOptions = {
  issuer: 'https://issuer.test',
  audience: 'https://api.test',
  accessToken: { keys: [signingKey] },
  refreshToken: { keys: [refreshTokenKey] },
};

/** Options over the base ones, group by group. */
export function options(changes: Partial<TokenFamilyOptions> = {}): TokenFamilyOptions {
  return {
    ...baseOptions,
    ...changes,
    accessToken: { ...baseOptions.accessToken, ...changes.accessToken },
    refreshToken: { ...baseOptions.refreshToken, ...changes.refreshToken },
  };
}

@Controller()
class MeController {
  @Get('me')
  @UseGuards(AccessGuard)
  me(@CurrentUser() user: AccessTokenClaims): AccessTokenClaims {
    return user;
  }
}

export interface TestNode {
  readonly url: string;
  readonly tokens: TokenService;
  /** every event this node told, in order */
  readonly events: TokenEvent[];
  get<T>(token: abstract new (...args: never[]) => T): T;
  close(): Promise<void>;
}

export interface NodeSettings {
  readonly url: string;
  readonly options?: TokenFamilyOptions;
  readonly extras?: AuthModuleExtras;
  readonly adapter?: Adapter;
  readonly poolSize?: number;
  /** whether the data source knows the entity of the audit trail */
  readonly audit?: boolean;
  /** whether AuthModule is listed before the data source, which then closes first */
  readonly authFirst?: boolean;
  /** addresses of standbys, for TypeORM's `replication` */
  readonly replicas?: readonly string[];
  /** default: any that is free */
  readonly port?: number;
  /** what an application's own `main.ts` does before it listens, such as `setGlobalPrefix` */
  readonly configure?: (app: INestApplication) => void;
  readonly logger?: LoggerService | false;
  /** of the application, beside `/me` */
  readonly controllers?: readonly Type[];
}

const EVENT_TYPES: TokenEventType[] = [
  'issued',
  'rotated',
  'repeated',
  'retried',
  'advanced',
  'forged',
  'reused',
  'revoked',
];

/** A whole Nest application on a port of its own: AuthModule with its routes, and `/me` behind the guard. */
export async function startNode(settings: NodeSettings): Promise<TestNode> {
  const imports = [
    TypeOrmModule.forRoot({
      ...dataSourceOptions(settings.url, {
        poolSize: settings.poolSize ?? 10,
        audit: settings.audit ?? false,
        replicas: settings.replicas,
      }),
      retryAttempts: 0,
    }),
    AuthModule.forRoot({ ...(settings.options ?? options()), routes: true, ...settings.extras }),
  ];
  @Module({
    imports: settings.authFirst ? imports.toReversed() : imports,
    controllers: [MeController, ...(settings.controllers ?? [])],
  })
  class NodeModule {}

  const adapter = settings.adapter === 'fastify' ? new FastifyAdapter() : new ExpressAdapter();
  const app = await NestFactory.create(NodeModule, adapter, {
    logger: settings.logger ?? false,
    abortOnError: false,
  });
  settings.configure?.(app);
  try {
    await app.listen(settings.port ?? 0, '127.0.0.1');
  } catch (error) {
    // What has begun by then, timers among it, would outlive the test.
    await app.close();
    throw error;
  }
  const events: TokenEvent[] = [];
  for (const type of EVENT_TYPES) app.get(TokenEvents).on(type, (event) => events.push(event));
  const { port } = app.getHttpServer().address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    tokens: app.get(TokenService),
    events,
    get: (token) => app.get(token),
    close: () => app.close(),
  };
}
