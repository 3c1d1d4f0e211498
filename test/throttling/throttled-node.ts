import type { AddressInfo } from 'node:net';
import {
  BadRequestException,
  Body,
  Controller,
  Get,
  Injectable,
  Module,
  Post,
  UseGuards,
  type ExecutionContext,
  type Type,
} from '@nestjs/common';
import { APP_GUARD, NestFactory } from '@nestjs/core';
import { ExpressAdapter, type NestExpressApplication } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import {
  ThrottlerModule,
  ThrottlerStorageService,
  type ThrottlerModuleOptions,
  type ThrottlerOptions,
  type ThrottlerStorage,
} from '@nestjs/throttler';
import {
  AccessGuard,
  AuthModule,
  Public,
  RefreshGuard,
  Rotated,
  TokenResponse,
  TokenService,
  type TokenFamilyOptions,
  type TokenPair,
} from 'nestjs-token-family';
import { TokenThrottlerGuard, type ThrottledRequest } from 'nestjs-token-family/throttler';
import { options, type Adapter } from '../support/node.js';

@Controller()
class LoginController {
  constructor(private readonly tokens: TokenService) {}

  @Public()
  @Post('login')
  @TokenResponse()
  login(@Body() body: unknown): Promise<TokenPair> {
    const { username } = (body ?? {}) as Record<string, unknown>;
    if (typeof username !== 'string') throw new BadRequestException();
    return this.tokens.issue(username);
  }
}

@Controller()
class ApiController {
  @Public()
  @Post('own/refresh')
  @UseGuards(RefreshGuard)
  @TokenResponse()
  refresh(@Rotated() pair: TokenPair): TokenPair {
    return pair;
  }

  @Get('me')
  @UseGuards(AccessGuard)
  me(): object {
    return {};
  }
}

@Injectable()
class LoginThrottlerGuard extends TokenThrottlerGuard {
  protected override subjectOf({ body }: ThrottledRequest, context: ExecutionContext): string | null {
    if (context.getClass() !== LoginController) return null;
    const { username } = (body ?? {}) as Record<string, unknown>;
    return typeof username === 'string' ? username : null;
  }
}

/** Counts as the ordinary one does, and remembers by what. */
export class KeptStorage implements ThrottlerStorage {
  readonly keys: string[] = [];
  isBroken = false;
  readonly #blocked = new Set<string>();
  #inner = new ThrottlerStorageService();

  increment(...args: Parameters<ThrottlerStorage['increment']>): ReturnType<ThrottlerStorage['increment']> {
    if (this.isBroken) return Promise.reject(new Error('gone'));
    this.keys.push(args[0]);
    if (this.#blocked.has(args[0])) {
      return Promise.resolve({ totalHits: 9, timeToExpire: 9, isBlocked: true, timeToBlockExpire: 9 });
    }
    return this.#inner.increment(...args);
  }

  /** As if it had come too often already. */
  block(key: string): void {
    this.#blocked.add(key);
  }

  clear(): void {
    this.#blocked.clear();
    this.keys.length = 0;
    this.#inner.onApplicationShutdown();
    this.#inner = new ThrottlerStorageService();
  }
}

export interface ThrottledNode {
  readonly url: string;
  readonly tokens: TokenService;
  readonly storage: KeptStorage;
  /** What `work` was counted by: `family …`, `subject …`, `address …`. */
  readonly countedBy: (work: () => Promise<unknown>) => Promise<string[]>;
  close(): Promise<void>;
}

export interface ThrottledSettings {
  readonly adapter: Adapter;
  readonly throttlers: readonly ThrottlerOptions[];
  readonly throttling?: Partial<Exclude<ThrottlerModuleOptions, unknown[]>>;
  readonly trustProxy?: boolean;
  readonly guard?: Type<TokenThrottlerGuard>;
  readonly changes?: Partial<TokenFamilyOptions>;
}

/** Many a minute, of each name: whatever is counted, nothing is refused. */
export const generous = (...names: string[]): ThrottlerOptions[] =>
  names.map((name) => ({ name, ttl: 60_000, limit: 10_000 }));

/** An application with AuthModule in memory and a TokenThrottlerGuard before everything. */
export async function startThrottledNode(settings: ThrottledSettings): Promise<ThrottledNode> {
  const { adapter, throttlers, throttling, trustProxy = false, guard = LoginThrottlerGuard } = settings;
  const storage = new KeptStorage();
  @Module({
    imports: [
      ThrottlerModule.forRoot({
        throttlers: [...throttlers],
        storage,
        generateKey: (_context, tracker, name) => `${name} ${tracker}`,
        ...throttling,
      }),
      AuthModule.forRoot({ ...options(settings.changes), routes: true, store: 'memory' }),
    ],
    providers: [{ provide: APP_GUARD, useClass: guard }],
    controllers: [LoginController, ApiController],
  })
  class NodeModule {}

  const server = adapter === 'fastify' ? new FastifyAdapter({ trustProxy }) : new ExpressAdapter();
  const app = await NestFactory.create(NodeModule, server, { logger: false, abortOnError: false });
  if (adapter === 'express') (app as NestExpressApplication).set('trust proxy', trustProxy);
  await app.listen(0, '127.0.0.1');
  const { port } = app.getHttpServer().address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    tokens: app.get(TokenService),
    storage,
    countedBy: async (work) => {
      storage.clear();
      await work();
      return [...new Set(storage.keys)];
    },
    close: async () => {
      await app.close();
      storage.clear();
    },
  };
}
