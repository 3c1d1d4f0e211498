import { randomBytes } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import {
  Body,
  Controller,
  Delete,
  Get,
  Injectable,
  Module,
  Post,
  UseGuards,
  type CanActivate,
  type ExecutionContext,
  type LoggerService,
} from '@nestjs/common';
import { APP_GUARD, NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import {
  ApiBody,
  ApiOperation,
  DocumentBuilder,
  SwaggerModule,
  type OpenAPIObject,
  type SwaggerDocumentOptions,
} from '@nestjs/swagger';
import { TypeOrmModule } from '@nestjs/typeorm';
import {
  AccessGuard,
  AuthHttpException,
  AuthModule,
  ClientGuard,
  CurrentClient,
  Fresh,
  OptionalAuth,
  Public,
  RequireScope,
  TokenResponse,
  TokenService,
  TooManyRequestsError,
  type AuthModuleExtras,
  type Client,
  type TokenFamilyOptions,
  type TokenPair,
} from 'nestjs-token-family';
import { ApiAccess, ApiClient, ApiTokenResponse, describeTokens } from 'nestjs-token-family/openapi';
import { dataSourceOptions } from '../support/database.js';
import { options, type Adapter } from '../support/node.js';

export const CLIENT = { id: 'web', secret: randomBytes(32).toString('base64') };
export const RESOURCE_SERVER = { id: 'reports', secret: randomBytes(32).toString('base64') };

/** Stands for any throttling: what it throws is what a guard for it throws. */
@Injectable()
class Throttle implements CanActivate {
  canActivate(context: ExecutionContext): true {
    const { headers } = context.switchToHttp().getRequest<{ headers: Record<string, string> }>();
    if (headers['x-often']) throw new AuthHttpException(new TooManyRequestsError(30));
    return true;
  }
}

@Public()
@Controller('auth')
class LoginController {
  constructor(private readonly tokens: TokenService) {}

  @Post('login')
  @UseGuards(ClientGuard)
  @TokenResponse()
  @ApiOperation({ summary: 'Logs in' })
  @ApiBody({ schema: { type: 'object', properties: { username: { type: 'string' } } } })
  @ApiClient()
  @ApiTokenResponse()
  login(@Body() body: { username: string }, @CurrentClient() client: Client): Promise<TokenPair> {
    return this.tokens.issue(body.username, { clientId: client.id, scope: 'read' });
  }
}

class Orders {
  @Get('inherited')
  inherited(): string[] {
    return [];
  }
}

@Controller('orders')
@ApiAccess()
@UseGuards(AccessGuard)
class OrdersController extends Orders {
  /** What the compiler's plugin would have added. */
  static _OPENAPI_METADATA_FACTORY(): object {
    return { describedByPlugin: { type: [String] } };
  }

  @Get('described-by-plugin')
  describedByPlugin(): string[] {
    return [];
  }

  @Get()
  list(): string[] {
    return [];
  }

  @RequireScope('orders:write')
  @Post()
  place(): void {}

  @Delete()
  @Fresh('5m')
  cancelAll(): void {}

  @Get('catalogue')
  @OptionalAuth()
  catalogue(): string[] {
    return [];
  }

  @Get('health')
  @Public()
  health(): string[] {
    return [];
  }
}

@Controller('me')
class MeController {
  @RequireScope('read')
  @UseGuards(AccessGuard)
  @Get()
  @ApiAccess()
  me(): object {
    return {};
  }

  @Get('undescribed')
  undescribed(): object {
    return {};
  }
}

/** Nest's own word for what it has mounted; nothing else is kept. */
class RouteLog implements LoggerService {
  constructor(private readonly mapped: string[]) {}

  log(message: unknown): void {
    const [, path, method] = /^Mapped \{(.+), (.+)\} route/.exec(String(message)) ?? [];
    if (path) this.mapped.push(`${method} ${path.replace(/:(\w+)/g, '{$1}')}`);
  }

  error(): void {}

  warn(): void {}
}

export interface Application {
  readonly url: string;
  readonly tokens: TokenService;
  readonly document: OpenAPIObject;
  /** those that Nest says it has mapped, such as `GET /auth/sessions/{sid}` */
  readonly mapped: readonly string[];
  /** Another one of the same application. */
  describe(builder: DocumentBuilder, options?: SwaggerDocumentOptions): OpenAPIObject;
  close(): Promise<void>;
}

export interface ApplicationSettings {
  readonly adapter?: Adapter;
  /** default: in memory */
  readonly databaseUrl?: string;
  readonly changes?: Partial<TokenFamilyOptions>;
  readonly routes?: AuthModuleExtras['routes'];
  /** `app.setGlobalPrefix` */
  readonly globalPrefix?: string;
}

/** An application with everything that can be described, and its document. */
export async function startApplication(settings: ApplicationSettings = {}): Promise<Application> {
  const { adapter = 'express', databaseUrl, changes = {}, routes = true, globalPrefix } = settings;
  const configured = options({
    clients: [CLIENT],
    resourceServers: [RESOURCE_SERVER],
    claims: ({ subject }) => (subject === 'nobody' ? null : {}),
    ...changes,
  });
  @Module({
    imports: [
      ...(databaseUrl === undefined ? [] : [TypeOrmModule.forRoot(dataSourceOptions(databaseUrl))]),
      AuthModule.forRoot({ ...configured, routes, store: databaseUrl === undefined ? 'memory' : 'postgres' }),
    ],
    controllers: [LoginController, OrdersController, MeController],
    providers: [{ provide: APP_GUARD, useClass: Throttle }],
  })
  class ApplicationModule {}

  const mapped: string[] = [];
  const app = await NestFactory.create(
    ApplicationModule,
    adapter === 'fastify' ? new FastifyAdapter() : new ExpressAdapter(),
    { logger: new RouteLog(mapped), abortOnError: false },
  );
  if (globalPrefix !== undefined) app.setGlobalPrefix(globalPrefix);
  const describe: Application['describe'] = (builder, documentOptions) =>
    SwaggerModule.createDocument(app, describeTokens(builder).build(), documentOptions);
  const document = describe(new DocumentBuilder().setTitle('Test').setVersion('1'));
  await app.listen(0, '127.0.0.1');
  const { port } = app.getHttpServer().address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    tokens: app.get(TokenService),
    document,
    mapped,
    describe,
    close: () => app.close(),
  };
}
