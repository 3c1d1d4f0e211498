import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { ServerResponse } from 'node:http';
import { Body, Controller, Get, Inject, Module, Post, UseGuards } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import {
  AccessGuard,
  AuthModule,
  CurrentUser,
  Public,
  RefreshToken,
  SigningKeyRecord,
  TokenEvents,
  TokenResponse,
  TokenService,
  type AccessTokenClaims,
  type TokenEventType,
  type TokenFamilyOptions,
} from 'nestjs-token-family';

/*
 * One node of the cluster, a process of its own, on the library as it is built. `cluster.ts` compiles this file and
 * starts it; it tells the port it listens on and every event over IPC, and ends when whoever started it has gone.
 */

export interface NodeEnvironment {
  readonly port: number;
  readonly databaseUrl: string;
  /** addresses of standbys, for TypeORM's `replication` */
  readonly replicas?: readonly string[];
  readonly poolSize: number;
  /** milliseconds the claims provider takes; none is configured when absent */
  readonly claimsDelay?: number;
  /** milliseconds the wall clock is ahead from the start */
  readonly clockShift: number;
  /** JSON, so key material is text */
  readonly options: TokenFamilyOptions;
}

/** Bytes, after a collection. */
export interface Memory {
  readonly resident: number;
  readonly heap: number;
}

/** What a node says to whoever started it. */
export type NodeMessage =
  | { readonly listening: number }
  | { readonly memory: Memory }
  | { readonly event: { readonly type: TokenEventType; readonly sid: string; readonly late?: boolean } };

/** What it is told. */
export type NodeOrder =
  /** milliseconds the wall clock is ahead from now on */
  | { readonly clockShift: number }
  /** to collect what is garbage, and say what is left */
  | { readonly say: 'memory' };

const environment = JSON.parse(process.env['CLUSTER_NODE']!) as NodeEnvironment;
const say = (message: NodeMessage): void => void process.send?.(message);

let clockShift = environment.clockShift;
const wallClock = Date.now.bind(Date);
Date.now = () => wallClock() + clockShift;
process.on('message', (order: NodeOrder) => {
  if ('clockShift' in order) clockShift = order.clockShift;
  else say({ memory: collectedMemory() });
});
process.on('disconnect', () => process.exit());

function collectedMemory(): Memory {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  const { rss: resident, heapUsed: heap } = process.memoryUsage();
  return { resident, heap };
}

@Controller()
class TestController {
  constructor(@Inject(TokenService) private readonly tokens: TokenService) {}

  @Get('me')
  @UseGuards(AccessGuard)
  me(@CurrentUser() user: AccessTokenClaims): AccessTokenClaims {
    return user;
  }

  @Post('test/login')
  @Public()
  @TokenResponse()
  login(@Body('subject') subject: string) {
    return this.tokens.issue(subject);
  }

  /** An administrator, who needs no token. */
  @Post('test/revoke')
  @Public()
  async revoke(@Body() { sid, subject }: { sid?: string; subject?: string }) {
    return {
      ended: sid === undefined ? await this.tokens.revokeAll(subject!) : await this.tokens.revoke(sid),
    };
  }
}

const { claimsDelay } = environment;
const claims: Partial<TokenFamilyOptions> =
  claimsDelay === undefined
    ? {}
    : {
        claims: async () => {
          await new Promise((resolve) => setTimeout(resolve, claimsDelay));
          return {};
        },
      };

@Module({
  imports: [
    TypeOrmModule.forRoot({
      type: 'postgres',
      url: environment.databaseUrl,
      ...(environment.replicas && {
        replication: {
          master: { url: environment.databaseUrl },
          slaves: environment.replicas.map((url) => ({ url })),
        },
      }),
      installExtensions: false,
      entities: [RefreshToken, SigningKeyRecord],
      poolSize: environment.poolSize,
      retryAttempts: 0,
    }),
    AuthModule.forRoot({ ...environment.options, ...claims, routes: true }),
  ],
  controllers: [TestController],
})
class NodeModule {}

try {
  const app = await NestFactory.create(NodeModule, { logger: ['fatal'], abortOnError: false });
  app.enableShutdownHooks();
  let closing = false;
  process.once('SIGTERM', () => (closing = true));
  // Else a connection that is kept alive, and used all the time, would keep the process alive as well.
  app.use((_: unknown, response: ServerResponse, next: () => void) => {
    if (closing) response.setHeader('Connection', 'close');
    next();
  });
  for (const type of ['rotated', 'repeated', 'retried', 'advanced', 'forged', 'reused', 'revoked'] as const) {
    app
      .get(TokenEvents)
      .on(type, (event) =>
        say({ event: { type, sid: event.sid, ...('late' in event && { late: event.late }) } }),
      );
  }
  await app.listen(environment.port, '127.0.0.1');
  say({ listening: (app.getHttpServer().address() as { port: number }).port });
} catch (error) {
  console.error(error);
  process.exit(1);
}
