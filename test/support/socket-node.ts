import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { UseGuards, type DynamicModule, type Provider, type Type } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { IoAdapter } from '@nestjs/platform-socket.io';
import { WsAdapter } from '@nestjs/platform-ws';
import { Test } from '@nestjs/testing';
import { TypeOrmModule } from '@nestjs/typeorm';
import {
  ConnectedSocket,
  MessageBody,
  SubscribeMessage,
  WebSocketGateway,
  WebSocketServer,
  type OnGatewayConnection,
} from '@nestjs/websockets';
import {
  AccessGuard,
  AuthModule,
  CurrentUser,
  OptionalAuth,
  Public,
  RequireScope,
  SocketSessions,
  TokenService,
  type AccessTokenClaims,
  type TokenFamilyOptions,
} from 'nestjs-token-family';
import { Clock } from '../../libs/auth/src/core/ports.js';
import { dataSourceOptions } from './database.js';
import { KeptLog } from './kept-log.js';
import { options } from './node.js';

export type SocketAdapter = 'ws' | 'socket.io';

/** A clock that a test moves. */
class MovingClock {
  /** milliseconds */
  moved = 0;

  now(): number {
    return Date.now() + this.moved;
  }

  monotonic(): number {
    return performance.now() + this.moved;
  }
}

type Client = object & { readonly handshake?: { readonly query: object } };

class Gateway implements OnGatewayConnection {
  /** `clients` of ws, or a map of socket.io's namespace */
  @WebSocketServer()
  readonly server!: { clients?: Set<object>; sockets?: { sockets: Map<string, object> } };

  readonly seen: string[] = [];

  constructor(readonly sockets: SocketSessions) {}

  async handleConnection(client: Client, request?: IncomingMessage): Promise<void> {
    const isStranger = request ? request.url?.includes('stranger') : 'stranger' in client.handshake!.query;
    if (!isStranger) await this.sockets.accept(client, request);
  }

  @SubscribeMessage('whoami')
  whoami(@CurrentUser() user: AccessTokenClaims): object {
    return { event: 'you', data: user.sub };
  }

  @SubscribeMessage('orders')
  @RequireScope('orders:read')
  orders(): object {
    return { event: 'orders', data: [] };
  }

  @SubscribeMessage('greet')
  @OptionalAuth()
  greet(@CurrentUser() user?: AccessTokenClaims): object {
    return { event: 'greeting', data: user?.sub ?? 'stranger' };
  }

  @SubscribeMessage('ping')
  @Public()
  ping(): object {
    return { event: 'pong', data: 'pong' };
  }

  /** A client that has been told goodbye gets no answer, so the server says what it has seen. */
  @SubscribeMessage('peek')
  @Public()
  peek(@CurrentUser() user?: AccessTokenClaims): void {
    this.seen.push(user?.sub ?? 'stranger');
  }

  @SubscribeMessage('note')
  note(): void {
    this.seen.push('noted');
  }

  @SubscribeMessage('renew')
  @Public()
  async renew(
    @ConnectedSocket() client: object,
    @MessageBody('access_token') token: unknown,
  ): Promise<object> {
    return { event: 'renewed', data: (await this.sockets.renew(client, token)) !== null };
  }

  @SubscribeMessage('accept')
  @Public()
  async accept(
    @ConnectedSocket() client: object,
    @MessageBody('access_token') token: string,
  ): Promise<object> {
    return { event: 'accepted', data: (await this.sockets.accept(client, token)) !== null };
  }
}

/** One class for each node: a decorator marks a class for good. */
function gatewayOf(isGuarded: boolean): Type<Gateway> {
  class OwnGateway extends Gateway {}
  Reflect.defineMetadata('design:paramtypes', [SocketSessions], OwnGateway);
  WebSocketGateway()(OwnGateway);
  if (isGuarded) UseGuards(AccessGuard)(OwnGateway);
  return OwnGateway;
}

export interface SocketNode {
  readonly port: number;
  readonly tokens: TokenService;
  readonly sockets: SocketSessions;
  readonly clock: MovingClock;
  readonly log: KeptLog;
  /** what the handlers `peek` and `note` were called with */
  readonly seen: string[];
  /** how many connections the server has */
  open(): number;
  get<T>(token: abstract new (...args: never[]) => T): T;
  close(): Promise<void>;
}

export interface SocketNodeSettings {
  readonly adapter: SocketAdapter;
  /** of the PostgreSQL; the store in memory without one */
  readonly url?: string;
  /** where the guard stands; `'global'` unless given */
  readonly guard?: 'global' | 'gateway';
  readonly changes?: Partial<TokenFamilyOptions>;
}

/** An application with AuthModule and a gateway, on a port of its own. */
export async function startSocketNode(settings: SocketNodeSettings): Promise<SocketNode> {
  const { adapter, url, guard = 'global', changes } = settings;
  const clock = new MovingClock();
  const log = new KeptLog();
  const database: DynamicModule[] = url
    ? [TypeOrmModule.forRoot({ ...dataSourceOptions(url), retryAttempts: 0 })]
    : [];
  const auth = AuthModule.forRoot({ ...options(changes), store: url ? 'postgres' : 'memory' });
  const gateway = gatewayOf(guard === 'gateway');
  const providers: Provider[] = [
    gateway,
    ...(guard === 'global' ? [{ provide: APP_GUARD, useExisting: AccessGuard }] : []),
  ];
  const testing = await Test.createTestingModule({ imports: [...database, auth], providers })
    .overrideProvider(Clock)
    .useValue(clock)
    .compile();
  const app = testing.createNestApplication({ logger: log });
  app.useWebSocketAdapter(adapter === 'ws' ? new WsAdapter(app) : new IoAdapter(app));
  await app.listen(0, '127.0.0.1');
  return {
    port: (app.getHttpServer().address() as AddressInfo).port,
    tokens: app.get(TokenService),
    sockets: app.get(SocketSessions),
    clock,
    log,
    seen: app.get(gateway).seen,
    open: () => {
      const { clients, sockets } = app.get(gateway).server;
      return clients?.size ?? sockets!.sockets.size;
    },
    get: (token) => app.get(token),
    close: () => app.close(),
  };
}
