import type { AddressInfo } from 'node:net';
import {
  Body,
  Controller,
  Injectable,
  Module,
  Post,
  type CanActivate,
  type ExecutionContext,
  type NestApplicationOptions,
} from '@nestjs/common';
import { APP_GUARD, NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { TypeOrmModule } from '@nestjs/typeorm';
import {
  AuthModule,
  Public,
  TokenResponse,
  TokenService,
  TooManyRequestsError,
  type TokenPair,
} from 'nestjs-token-family';
import { dataSourceOptions } from '../support/database.js';
import { options, type Adapter } from '../support/node.js';

/** A login that believes everybody: what follows it is what is looked at. */
@Public()
@Controller('auth')
class LoginController {
  constructor(private readonly tokens: TokenService) {}

  @Post('login')
  @TokenResponse()
  login(@Body() body?: { username?: string }): Promise<TokenPair> {
    return this.tokens.issue(body?.username ?? 'nobody');
  }
}

/** An application's own limit, which comes before everything of ours. */
@Injectable()
class TooOftenGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const { headers } = context.switchToHttp().getRequest<{ headers: Record<string, unknown> }>();
    if (headers['x-too-often'] !== undefined) throw new TooManyRequestsError(1);
    return true;
  }
}

export interface ApplicationSettings {
  readonly url: string;
  readonly adapter: Adapter;
  readonly origins: readonly string[] | undefined;
  /** what `enableCors` is given; it is not called without */
  readonly cors: NestApplicationOptions['cors'];
}

export interface Application {
  readonly port: number;
  readonly tokens: TokenService;
  close(): Promise<void>;
}

/** A Nest application as anybody writes one, on a port of its own, to be put behind TLS. */
export async function startApplication(settings: ApplicationSettings): Promise<Application> {
  @Module({
    imports: [
      TypeOrmModule.forRoot({ ...dataSourceOptions(settings.url), retryAttempts: 0 }),
      AuthModule.forRoot({
        ...options({ origins: settings.origins, clients: [{ id: 'another' }] }),
        routes: true,
      }),
    ],
    controllers: [LoginController],
    providers: [{ provide: APP_GUARD, useClass: TooOftenGuard }],
  })
  class ApplicationModule {}

  const adapter = settings.adapter === 'fastify' ? new FastifyAdapter() : new ExpressAdapter();
  const app = await NestFactory.create(ApplicationModule, adapter, { logger: false, abortOnError: false });
  if (typeof settings.cors === 'object') app.enableCors(settings.cors);
  await app.listen(0, '127.0.0.1');
  const { port } = app.getHttpServer().address() as AddressInfo;
  return { port, tokens: app.get(TokenService), close: () => app.close() };
}
