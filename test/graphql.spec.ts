import type { AddressInfo } from 'node:net';
import { UseGuards, type Provider } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import {
  Field,
  GraphQLModule,
  ObjectType,
  Query,
  ResolveField,
  Resolver,
  Subscription,
} from '@nestjs/graphql';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
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
} from 'nestjs-token-family';
import { WebSocket } from 'ws';
import { send, type Answer } from './support/http.js';
import { options } from './support/node.js';
import { KeptLog } from './support/kept-log.js';

@ObjectType()
class Account {
  @Field(() => String)
  name!: string;

  @Field(() => Number)
  balance!: number;
}

@Resolver(() => Account)
class AccountResolver {
  constructor(private readonly tokens: TokenService) {}

  @Query(() => String)
  @UseGuards(AccessGuard)
  whoami(@CurrentUser() user: AccessTokenClaims): string {
    return user.sub;
  }

  @Query(() => String)
  @UseGuards(AccessGuard)
  @RequireScope('orders:read')
  orders(): string {
    return 'none';
  }

  @Query(() => String)
  @UseGuards(AccessGuard)
  @OptionalAuth()
  greet(@CurrentUser() user?: AccessTokenClaims): string {
    return user?.sub ?? 'stranger';
  }

  @Query(() => String)
  @UseGuards(AccessGuard)
  @Public()
  ping(): string {
    return 'pong';
  }

  @Query(() => String)
  async refresh(): Promise<string> {
    return (await this.tokens.rotate('none')).accessToken;
  }

  @Query(() => Account)
  account(): Account {
    return { name: 'joint', balance: 1 };
  }

  @ResolveField(() => Number)
  @UseGuards(AccessGuard)
  balance(@CurrentUser() { sub }: AccessTokenClaims): number {
    return sub === 'alice' ? 7 : 0;
  }

  @Subscription(() => String, { resolve: (value: string) => value })
  @UseGuards(AccessGuard)
  async *ticks(@CurrentUser() user: AccessTokenClaims): AsyncGenerator<string> {
    yield user.sub;
    await new Promise(() => {});
  }
}

interface GraphqlNode {
  readonly url: string;
  readonly port: number;
  readonly tokens: TokenService;
  readonly log: KeptLog;
  readonly sockets: SocketSessions;
  close(): Promise<void>;
}

type Adapter = 'express' | 'fastify';

const nodes: GraphqlNode[] = [];
afterAll(() => Promise.all(nodes.map((node) => node.close())));

async function start(
  adapter: Adapter,
  config: ApolloDriverConfig,
  more: Provider[] = [],
): Promise<GraphqlNode> {
  const log = new KeptLog();
  const testing = await Test.createTestingModule({
    imports: [
      AuthModule.forRoot({ ...options(), store: 'memory' }),
      GraphQLModule.forRoot<ApolloDriverConfig>({
        driver: ApolloDriver,
        autoSchemaFile: true,
        fieldResolverEnhancers: ['guards'],
        includeStacktraceInErrorResponses: false,
        ...config,
      }),
    ],
    providers: [AccountResolver, ...more],
  }).compile();
  const http = adapter === 'fastify' ? new FastifyAdapter() : new ExpressAdapter();
  const app = testing.createNestApplication(http, { logger: log });
  await app.listen(0, '127.0.0.1');
  const { port } = app.getHttpServer().address() as AddressInfo;
  const node: GraphqlNode = {
    url: `http://127.0.0.1:${port}/graphql`,
    port,
    tokens: app.get(TokenService),
    log,
    sockets: app.get(SocketSessions),
    close: () => app.close(),
  };
  nodes.push(node);
  return node;
}

interface Told {
  message: string;
  extensions: Record<string, unknown>;
}
const errorsOf = ({ body }: Answer) =>
  (body['errors'] as Told[]).map(({ message, extensions }) => ({ message, extensions }));

describe.each<Adapter>(['express', 'fastify'])('GraphQL on %s', (adapter) => {
  let node: GraphqlNode;
  let accessToken: string;
  beforeAll(async () => {
    node = await start(adapter, {});
    ({ accessToken } = await node.tokens.issue('alice', { scope: 'profile' }));
  });
  afterEach(() => expect(node.log.errors()).toEqual([]));

  const ask = (query: string, token?: string): Promise<Answer> =>
    send(node.url, { json: { query }, headers: token ? { authorization: `Bearer ${token}` } : {} });

  test('a query with a good token passes, and knows its user', async () => {
    const { status, body } = await ask('{ whoami greet ping }', accessToken);
    expect(status).toBe(200);
    expect(body['data']).toEqual({ whoami: 'alice', greet: 'alice', ping: 'pong' });
  });

  test('a query without a token is unauthenticated, and told no internals', async () => {
    const answer = await ask('{ whoami }');
    expect(answer.status).toBe(200);
    expect(errorsOf(answer)).toEqual([
      {
        message: 'No token was sent',
        extensions: {
          code: 'UNAUTHENTICATED',
          error: 'unauthorized',
          error_description: 'No token was sent',
        },
      },
    ]);
  });

  test('a query with a bad token is unauthenticated', async () => {
    const answer = await ask('{ whoami }', `${accessToken.slice(0, -4)}AAAA`);
    expect(answer.status).toBe(200);
    expect(errorsOf(answer)).toEqual([
      {
        message: 'The access token is invalid',
        extensions: {
          code: 'UNAUTHENTICATED',
          error: 'invalid_token',
          error_description: 'The access token is invalid',
        },
      },
    ]);
  });

  test('a malformed header is a bad request', async () => {
    const [error] = errorsOf(await ask('{ whoami }', 'a b'));
    expect(error!.extensions).toMatchObject({ code: 'BAD_REQUEST', error: 'invalid_request' });
  });

  test('a query that demands more scope than was granted is forbidden', async () => {
    const [error] = errorsOf(await ask('{ orders }', accessToken));
    expect(error!.extensions).toMatchObject({
      code: 'FORBIDDEN',
      error: 'insufficient_scope',
      scope: 'orders:read',
    });
    const granted = await node.tokens.issue('alice', { scope: 'orders:read' });
    expect((await ask('{ orders }', granted.accessToken)).body['data']).toEqual({ orders: 'none' });
  });

  test('a query without a token passes where one is optional, and a bad one does not', async () => {
    expect((await ask('{ greet ping }')).body['data']).toEqual({ greet: 'stranger', ping: 'pong' });
    const [error] = errorsOf(await ask('{ greet }', 'bad'));
    expect(error!.extensions).toMatchObject({ code: 'UNAUTHENTICATED', error: 'invalid_token' });
  });

  test('a field may stand behind the guard alone', async () => {
    expect((await ask('{ account { name } }')).body['data']).toEqual({ account: { name: 'joint' } });
    expect((await ask('{ account { balance } }', accessToken)).body['data']).toEqual({
      account: { balance: 7 },
    });
    const [error] = errorsOf(await ask('{ account { name balance } }'));
    expect(error!.extensions).toMatchObject({ code: 'UNAUTHENTICATED' });
  });

  test('one query asks for each of its fields', async () => {
    const answer = await ask('{ account { name } whoami }');
    expect(errorsOf(answer)).toHaveLength(1);
    expect(answer.body['data']).toBeNull();
  });

  test('an error of our own services is told in the same form', async () => {
    const [error] = errorsOf(await ask('{ refresh }'));
    expect(error).toEqual({
      message: 'The grant is invalid, expired or revoked',
      extensions: {
        code: 'BAD_REQUEST',
        error: 'invalid_grant',
        error_description: 'The grant is invalid, expired or revoked',
      },
    });
  });
});

test('a global guard stands before every query', async () => {
  const node = await start('express', {}, [{ provide: APP_GUARD, useExisting: AccessGuard }]);
  const { accessToken } = await node.tokens.issue('alice');
  const ask = (headers: Record<string, string>) =>
    send(node.url, { json: { query: '{ account { name } ping greet }' }, headers });
  expect(errorsOf(await ask({}))[0]!.extensions).toMatchObject({ code: 'UNAUTHENTICATED' });
  expect((await ask({ authorization: `Bearer ${accessToken}` })).body['data']).toEqual({
    account: { name: 'joint' },
    ping: 'pong',
    greet: 'alice',
  });
});

test.each<[string, unknown]>([
  ['has no request', 'nothing'],
  ['has a request without headers', { req: {} }],
])('a context that %s is refused', async (_, context) => {
  const node = await start('express', { context: () => context });
  const { accessToken } = await node.tokens.issue('alice');
  const headers = { authorization: `Bearer ${accessToken}` };
  const [error] = errorsOf(await send(node.url, { json: { query: '{ whoami }' }, headers }));
  expect(error!.extensions).toMatchObject({ code: 'UNAUTHENTICATED', error: 'invalid_token' });
  expect(node.log.lines.join('\n')).toContain('ERR_CONTEXT_UNKNOWN');
  expect(node.log.errors()).toEqual([]);
});

describe('subscriptions, their token among the connection parameters', () => {
  interface Connection {
    readonly req?: object;
    readonly connectionParams?: { readonly token?: string };
    readonly extra: { readonly socket: object };
  }
  let node: GraphqlNode;
  beforeAll(async () => {
    // As the README has it.
    node = await start('express', {
      subscriptions: {
        'graphql-ws': {
          onConnect: async (connection: unknown) => {
            const { extra, connectionParams } = connection as Connection;
            return (await node.sockets.accept(extra.socket, connectionParams?.token ?? '')) !== null;
          },
        },
      },
      context: ({ req, connectionParams }: Connection) =>
        req ? {} : { req: { headers: { authorization: `Bearer ${connectionParams?.token}` } } },
    });
  });

  /** Subscribes to `ticks` in the protocol of graphql-ws. */
  async function subscribe(token?: string): Promise<{ messages: unknown[]; closed: Promise<string> }> {
    const socket = new WebSocket(`ws://127.0.0.1:${node.port}/graphql`, 'graphql-transport-ws');
    const messages: unknown[] = [];
    const closed = new Promise<string>((resolve) => {
      socket.on('close', (code, reason) => resolve(`${code} ${reason.toString()}`));
    });
    socket.on('open', () => socket.send(JSON.stringify({ type: 'connection_init', payload: { token } })));
    await new Promise<void>((resolve) => {
      socket.on('close', () => resolve());
      socket.on('message', (text: Buffer) => {
        const message = JSON.parse(text.toString()) as { type: string };
        messages.push(message);
        if (message.type !== 'connection_ack') resolve();
        else
          socket.send(
            JSON.stringify({ id: '1', type: 'subscribe', payload: { query: 'subscription { ticks }' } }),
          );
      });
    });
    return { messages, closed };
  }

  test('a subscription passes, and its socket ends with its session', async () => {
    const { accessToken, sid } = await node.tokens.issue('alice');
    const { messages, closed } = await subscribe(accessToken);
    expect(messages).toEqual([
      { type: 'connection_ack' },
      { id: '1', type: 'next', payload: { data: { ticks: 'alice' } } },
    ]);
    expect(node.sockets.size).toBe(1);
    await node.tokens.revoke(sid);
    expect(await closed).toBe('1008 invalid_token');
    expect(messages).toHaveLength(2);
  });

  test.each([undefined, 'bad'])('the token %p is refused', async (token) => {
    const { messages, closed } = await subscribe(token);
    expect(await closed).toMatch(/^1008 /);
    expect(messages).toEqual([]);
    expect(node.log.errors()).toEqual([]);
  });
});
