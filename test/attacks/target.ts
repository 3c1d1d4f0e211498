import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Controller, Get, HttpCode, Post, UseGuards, type ExecutionContext } from '@nestjs/common';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import {
  AccessGuard,
  AuthModule,
  CurrentUser,
  Fresh,
  OptionalAuth,
  Public,
  RequireScope,
  Strict,
  TokenService,
  type AccessTokenClaims,
  type TokenFamilyOptions,
} from 'nestjs-token-family';
import { Clock } from '../../libs/auth/src/core/ports.js';
import { KeyRing } from '../../libs/auth/src/jwt/key-ring.js';
import { options, signingKey, type Adapter } from '../support/node.js';
import { es256, Forge, type Signer } from './forge.js';
import { ask, bearer } from './wire.js';

/** What is attacked: a node, a good token of it for the control, and how many requests reached a handler. */
export interface Target {
  readonly url: string;
  readonly control: string;
  readonly visits?: { count: number };
}

export interface Node extends Target {
  readonly visits: { count: number };
  readonly tokens: TokenService;
  readonly guard: AccessGuard;
  readonly ring: KeyRing;
  readonly forge: Forge;
  /** milliseconds since the epoch; null lets it run */
  readonly clock: { at: number | null };
  close(): Promise<void>;
}

/** Of Node's 16 KiB nothing of a large token would be left for our code to refuse. */
const MAX_HEADER_SIZE = 16 << 20;

class RoomyExpressAdapter extends ExpressAdapter {
  override initHttpServer(): void {
    this.setHttpServer(createServer({ maxHeaderSize: MAX_HEADER_SIZE }, this.getInstance()));
  }
}

/** The routes of an application, one for each demand; every answer says who it thinks is asking. */
function routes(visits: { count: number }) {
  const answer = (route: string, user?: AccessTokenClaims) => {
    visits.count++;
    return { route, user: user ?? null, isAdmin: user !== undefined && 'admin' in user };
  };

  @Controller()
  @UseGuards(AccessGuard)
  class Routes {
    @Get('me')
    me(@CurrentUser() user: AccessTokenClaims) {
      return answer('me', user);
    }

    @Post('me')
    @HttpCode(200)
    post(@CurrentUser() user: AccessTokenClaims) {
      return answer('post', user);
    }

    @Get('admin')
    @RequireScope('admin')
    admin(@CurrentUser() user: AccessTokenClaims) {
      return answer('admin', user);
    }

    @Get('optional')
    @OptionalAuth()
    optional(@CurrentUser() user?: AccessTokenClaims) {
      return answer('optional', user);
    }

    @Get('public')
    @Public()
    public(@CurrentUser() user?: AccessTokenClaims) {
      return answer('public', user);
    }

    @Get('strict')
    @Strict()
    strict(@CurrentUser() user: AccessTokenClaims) {
      return answer('strict', user);
    }

    @Get('fresh')
    @Fresh('5m')
    fresh(@CurrentUser() user: AccessTokenClaims) {
      return answer('fresh', user);
    }
  }
  return Routes;
}

export interface Settings {
  readonly options?: TokenFamilyOptions;
  readonly signer?: Signer;
  /** providers to put in the place of ours */
  readonly replace?: readonly (readonly [token: unknown, value: object])[];
}

/** A whole application in memory; what PostgreSQL has a part in is tested in sessions.spec.ts. */
export async function startNode(
  adapter: Adapter,
  { options: given = options(), signer = es256(signingKey), replace = [] }: Settings = {},
): Promise<Node> {
  const visits = { count: 0 };
  const clock = { at: null as number | null };
  const revocation = { maxStaleness: '1h' };
  const testing = Test.createTestingModule({
    imports: [AuthModule.forRoot({ revocation, ...given, store: 'memory', routes: true })],
    controllers: [routes(visits)],
  });
  for (const [token, value] of replace) testing.overrideProvider(token).useValue(value);
  testing
    .overrideProvider(Clock)
    .useValue({ now: () => clock.at ?? Date.now(), monotonic: () => performance.now() });
  const app = (await testing.compile()).createNestApplication(
    adapter === 'express'
      ? new RoomyExpressAdapter()
      : new FastifyAdapter({ http: { maxHeaderSize: MAX_HEADER_SIZE } }),
    { logger: false },
  );
  await app.listen(0, '127.0.0.1');
  const tokens = app.get(TokenService);
  const [session, other] = [await tokens.issue('alice'), await tokens.issue('alice')];
  return {
    url: `http://127.0.0.1:${(app.getHttpServer().address() as AddressInfo).port}`,
    control: other.accessToken,
    visits,
    tokens,
    guard: app.get(AccessGuard),
    ring: app.get(KeyRing, { strict: false }),
    forge: new Forge(session.accessToken, signer),
    clock,
    close: () => app.close(),
  };
}

/** Nodes for one test, closed however it ends. */
export async function withNodes<const Starting extends readonly Promise<Node>[]>(
  nodes: Starting,
  rules: (...nodes: { -readonly [Each in keyof Starting]: Node }) => Promise<void>,
): Promise<void> {
  const started = await Promise.all(nodes);
  try {
    await rules(...(started as { -readonly [Each in keyof Starting]: Node }));
  } finally {
    await Promise.all(started.map((node) => node.close()));
  }
}

/** Runs the same rules on Express and on Fastify. */
export function onBoth(rules: (node: Node, adapter: Adapter) => void, settings: Settings = {}): void {
  describe.each(['express', 'fastify'] as const)('on %s', (adapter) => {
    const node = {} as Node;
    beforeAll(async () => {
      Object.assign(node, await startNode(adapter, settings));
    });
    afterEach(() => {
      Object.assign(node.clock, { at: null });
    });
    afterAll(() => node.close());
    rules(node, adapter);
  });
}

/** The context of a request or a message, as Nest hands it to a guard. */
export function contextOf(type: string, args: readonly unknown[]): ExecutionContext {
  const context = {
    getType: () => type,
    getHandler: () => handler,
    getClass: () => Object,
    getArgs: () => args,
    getArgByIndex: (index: number) => args[index],
    switchToHttp: () => ({ getRequest: () => args[0] }),
  };
  return context as unknown as ExecutionContext;
}
const handler = () => {};

export const get = (target: Target, token: string, path = '/me') =>
  ask(target.url, { path, headers: [bearer(token)] });
