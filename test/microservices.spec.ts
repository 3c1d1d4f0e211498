import type { AddressInfo, Server } from 'node:net';
import { status as GrpcStatus, Metadata, type ServiceError } from '@grpc/grpc-js';
import { fromJSON } from '@grpc/proto-loader';
import {
  Controller,
  UseFilters,
  UseGuards,
  type INestMicroservice,
  type Provider,
  type Type,
} from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import {
  ClientProxyFactory,
  EventPattern,
  GrpcMethod,
  MessagePattern,
  Transport,
  type ClientGrpcProxy,
  type ClientProxy,
  type MicroserviceOptions,
} from '@nestjs/microservices';
import { Test } from '@nestjs/testing';
import {
  AccessGuard,
  AuthErrorFilter,
  AuthModule,
  CurrentUser,
  OptionalAuth,
  RequireScope,
  TokenService,
  type AccessTokenClaims,
  type TokenPair,
} from 'nestjs-token-family';
import { firstValueFrom, type Observable } from 'rxjs';
import { InvalidCredentialsError } from '../libs/auth/src/core/errors.js';
import { readRpcCredentials } from '../libs/auth/src/access/rpc-credentials.js';
import { KeptLog } from './support/kept-log.js';
import { options } from './support/node.js';
import { freePort } from './support/free-port.js';

const noted: string[] = [];

class Handlers {
  @MessagePattern('whoami')
  whoami(@CurrentUser() user: AccessTokenClaims): object {
    return { text: user.sub };
  }

  @MessagePattern('orders')
  @RequireScope('orders:read')
  orders(): object {
    return { text: 'none' };
  }

  @MessagePattern('greet')
  @OptionalAuth()
  greet(@CurrentUser() user?: AccessTokenClaims): object {
    return { text: user?.sub ?? 'stranger' };
  }

  @MessagePattern('fail')
  fail(): never {
    throw new TypeError('a fault of the application');
  }

  @EventPattern('note')
  note(@CurrentUser() user: AccessTokenClaims): void {
    noted.push(user.sub);
  }
}

@Controller()
class GuardedByAll extends Handlers {}

@Controller()
@UseGuards(AccessGuard)
@UseFilters(AuthErrorFilter)
class GuardedByItself extends Handlers {}

@Controller()
class Accounts {
  @GrpcMethod()
  whoAmI(_: unknown, @CurrentUser() user: AccessTokenClaims): object {
    return { text: user.sub };
  }

  @GrpcMethod()
  @RequireScope('orders:read')
  orders(): object {
    return { text: 'none' };
  }

  @GrpcMethod()
  @OptionalAuth()
  greet(_: unknown, @CurrentUser() user?: AccessTokenClaims): object {
    return { text: user?.sub ?? 'stranger' };
  }
}

const text = { requestType: 'Text', responseType: 'Text', comment: '' };
const packageDefinition = fromJSON({
  nested: {
    accounts: {
      nested: {
        Text: { fields: { text: { type: 'string', id: 1 } } },
        Accounts: { methods: { WhoAmI: text, Orders: text, Greet: text } },
      },
    },
  },
});

const tcp = (): MicroserviceOptions => ({
  transport: Transport.TCP,
  options: { host: '127.0.0.1', port: 0 },
});
const portOf = (service: INestMicroservice) => (service.unwrap<Server>().address() as AddressInfo).port;
const grpc = (port: number) => ({
  transport: Transport.GRPC as const,
  options: { package: 'accounts', packageDefinition, url: `127.0.0.1:${port}` },
});

function testing(log: KeptLog, controller: Type, providers: Provider[] = []) {
  return Test.createTestingModule({
    imports: [AuthModule.forRoot({ ...options(), store: 'memory' })],
    controllers: [controller],
    providers,
  })
    .setLogger(log)
    .compile();
}
const GLOBAL_GUARD: Provider = { provide: APP_GUARD, useExisting: AccessGuard };

interface Service {
  readonly port: number;
  readonly tokens: TokenService;
  /** of the HTTP server beside it */
  readonly url?: string;
  close(): Promise<void>;
}

async function standalone(log: KeptLog): Promise<Service> {
  const module = await testing(log, GuardedByAll, [GLOBAL_GUARD]);
  const app = module.createNestMicroservice<MicroserviceOptions>({ ...tcp(), logger: log });
  await app.listen();
  return { port: portOf(app), tokens: app.get(TokenService), close: () => app.close() };
}

async function hybrid(log: KeptLog, inheritAppConfig: boolean): Promise<Service> {
  const module = await testing(
    log,
    inheritAppConfig ? GuardedByAll : GuardedByItself,
    inheritAppConfig ? [GLOBAL_GUARD] : [],
  );
  const app = module.createNestApplication({ logger: log });
  const service = app.connectMicroservice<MicroserviceOptions>(tcp(), { inheritAppConfig });
  await app.startAllMicroservices();
  await app.listen(0, '127.0.0.1');
  const { port } = app.getHttpServer().address() as AddressInfo;
  return {
    port: portOf(service),
    tokens: app.get(TokenService),
    url: `http://127.0.0.1:${port}`,
    close: () => app.close(),
  };
}

const failure = (answer: Promise<unknown>): Promise<unknown> =>
  answer.then(
    (value) => Promise.reject(new Error(`passed: ${JSON.stringify(value)}`)),
    (error: unknown) => error,
  );

describe.each<[string, (log: KeptLog) => Promise<Service>]>([
  ['a service of its own, with a global guard', standalone],
  ['one beside HTTP that inherits a global guard', (log) => hybrid(log, true)],
  ['one beside HTTP, with guard and filter on the controller', (log) => hybrid(log, false)],
])('TCP: %s', (_, start) => {
  const log = new KeptLog();
  let service: Service;
  let client: ClientProxy;
  let pair: TokenPair;
  beforeAll(async () => {
    service = await start(log);
    client = ClientProxyFactory.create({
      transport: Transport.TCP,
      options: { host: '127.0.0.1', port: service.port },
    });
    pair = await service.tokens.issue('alice', { scope: 'profile' });
  });
  afterAll(async () => {
    await client.close();
    await service.close();
  });
  afterEach(() => {
    expect(log.lines.join('\n')).not.toContain(pair.accessToken.slice(-40));
  });

  const ask = (pattern: string, accessToken?: unknown): Promise<unknown> =>
    firstValueFrom(client.send(pattern, { access_token: accessToken }));

  test('a message with a good token passes, and knows its user', async () => {
    expect(await ask('whoami', pair.accessToken)).toEqual({ text: 'alice' });
    expect(await ask('greet', pair.accessToken)).toEqual({ text: 'alice' });
    expect(log.errors()).toEqual([]);
  });

  test('a message without a token is refused, unless one is optional', async () => {
    const told = { status: 401, error: 'unauthorized', error_description: 'No token was sent' };
    expect(await failure(ask('whoami'))).toEqual(told);
    expect(await failure(firstValueFrom(client.send('whoami', 'text')))).toEqual(told);
    expect(await ask('greet')).toEqual({ text: 'stranger' });
    expect(log.errors()).toEqual([]);
  });

  test('a message with a bad token is refused', async () => {
    expect(await failure(ask('whoami', `${pair.accessToken.slice(0, -4)}AAAA`))).toEqual({
      status: 401,
      error: 'invalid_token',
      error_description: 'The access token is invalid',
    });
    expect(await failure(ask('greet', 'a b'))).toMatchObject({ status: 400, error: 'invalid_request' });
    expect(log.errors()).toEqual([]);
  });

  test('a message demands its scope', async () => {
    expect(await failure(ask('orders', pair.accessToken))).toMatchObject({
      status: 403,
      error: 'insufficient_scope',
      scope: 'orders:read',
    });
    const { accessToken } = await service.tokens.issue('alice', { scope: 'orders:read' });
    expect(await ask('orders', accessToken)).toEqual({ text: 'none' });
  });

  test('a message of a revoked session is refused', async () => {
    const { accessToken, sid } = await service.tokens.issue('alice');
    expect(await ask('whoami', accessToken)).toEqual({ text: 'alice' });
    await service.tokens.revoke(sid);
    expect(await failure(ask('whoami', accessToken))).toMatchObject({ status: 401, error: 'invalid_token' });
  });

  test('an event is taken with a good token, and dropped with none', async () => {
    noted.length = 0;
    await firstValueFrom(client.emit('note', {}), { defaultValue: null });
    await firstValueFrom(client.emit('note', { access_token: pair.accessToken }), { defaultValue: null });
    await ask('whoami', pair.accessToken);
    expect(noted).toEqual(['alice']);
  });

  test('a fault of the application brings no token into the log', async () => {
    expect(await failure(ask('fail', pair.accessToken))).toEqual({
      status: 'error',
      message: 'Internal server error',
    });
    expect(log.errors()).not.toEqual([]);
  });
});

test('a service that does not inherit a global guard is not guarded by it', async () => {
  const log = new KeptLog();
  const app = (await testing(log, GuardedByAll, [GLOBAL_GUARD])).createNestApplication({ logger: log });
  const service = app.connectMicroservice<MicroserviceOptions>(tcp());
  await app.startAllMicroservices();
  await app.listen(0, '127.0.0.1');
  const client = ClientProxyFactory.create({
    transport: Transport.TCP,
    options: { host: '127.0.0.1', port: portOf(service) },
  });
  const answer = await firstValueFrom(client.send('orders', {})).finally(async () => {
    await client.close();
    await app.close();
  });
  expect(answer).toEqual({ text: 'none' });
});

describe('gRPC', () => {
  const log = new KeptLog();
  let service: INestMicroservice;
  let proxy: ClientGrpcProxy;
  let pair: TokenPair;
  beforeAll(async () => {
    const port = await freePort();
    const module = await testing(log, Accounts, [GLOBAL_GUARD]);
    service = module.createNestMicroservice<MicroserviceOptions>({ ...grpc(port), logger: log });
    await service.listen();
    proxy = ClientProxyFactory.create(grpc(port));
    pair = await service.get(TokenService).issue('alice', { scope: 'profile' });
  });
  afterAll(async () => {
    proxy.close();
    await service.close();
  });
  afterEach(() => expect(log.errors()).toEqual([]));

  function ask(method: 'whoAmI' | 'orders' | 'greet', authorization?: string): Promise<unknown> {
    const metadata = new Metadata();
    if (authorization !== undefined) metadata.set('authorization', authorization);
    type Calls = Record<typeof method, (request: object, metadata: Metadata) => Observable<unknown>>;
    return firstValueFrom(proxy.getService<Calls>('Accounts')[method]({ text: '' }, metadata));
  }
  async function refusal(answer: Promise<unknown>): Promise<[code: number, details: string]> {
    const { code, details } = (await failure(answer)) as ServiceError;
    return [code, details];
  }

  test('a call with a good token passes, and knows its user', async () => {
    expect(await ask('whoAmI', `Bearer ${pair.accessToken}`)).toEqual({ text: 'alice' });
    expect(await ask('greet', `Bearer ${pair.accessToken}`)).toEqual({ text: 'alice' });
    expect(await ask('greet')).toEqual({ text: 'stranger' });
  });

  test('a refusal has the status code of gRPC, and says why', async () => {
    expect(await refusal(ask('whoAmI'))).toEqual([
      GrpcStatus.UNAUTHENTICATED,
      'unauthorized: No token was sent',
    ]);
    expect(await refusal(ask('whoAmI', 'Bearer bad'))).toEqual([
      GrpcStatus.UNAUTHENTICATED,
      'invalid_token: The access token is invalid',
    ]);
    expect(await refusal(ask('orders', `Bearer ${pair.accessToken}`))).toEqual([
      GrpcStatus.PERMISSION_DENIED,
      'insufficient_scope: The access token does not grant the scope this demands',
    ]);
  });

  test('a good token of another scheme is none', async () => {
    expect(await refusal(ask('whoAmI', `Digest ${pair.accessToken}`))).toEqual([
      GrpcStatus.UNAUTHENTICATED,
      'unauthorized: No token was sent',
    ]);
  });
});

describe('where the credentials of a message are looked for', () => {
  const headers = (value: string | undefined) => ({ getHeaders: () => ({ get: () => value }) });

  test.each<[string, unknown, unknown, string | null]>([
    ['the headers of NATS', {}, headers('Bearer a'), 'Bearer a'],
    ['a message of NATS without headers', {}, { getHeaders: () => undefined }, null],
    ['the payload, where headers say nothing', { access_token: 'a' }, headers(undefined), 'Bearer a'],
    ['the payload, without any context', { access_token: 'a' }, undefined, 'Bearer a'],
    ['another scheme', {}, headers('Basic a'), null],
    ['an empty member', { access_token: '' }, {}, null],
    ['an inherited member', Object.create({ access_token: 'a' }), {}, null],
    ['no payload', null, {}, null],
  ])('%s', (_, data, context, credentials) => {
    expect(readRpcCredentials(data, context)).toBe(credentials);
  });

  const grpcMetadata = (...values: string[]) => {
    const metadata = new Metadata();
    for (const value of values) metadata.add('authorization', value);
    return metadata;
  };
  /** As the package nats has them: `get` answers the first. */
  const natsHeaders = (...values: string[]) => ({
    getHeaders: () => ({ get: () => values[0] ?? '', values: () => values }),
  });

  test.each<[string, unknown, unknown]>([
    ['in the metadata of gRPC', {}, grpcMetadata('Bearer a', 'bearer b')],
    ['in the metadata of gRPC and the payload', { access_token: 'b' }, grpcMetadata('Bearer a')],
    ['in the headers of NATS', {}, natsHeaders('Bearer a', 'Bearer a')],
    ['in the headers of NATS and the payload', { access_token: 'a' }, natsHeaders('Bearer a')],
  ])('a token sent twice is refused: %s', (_, data, context) => {
    const read = () => readRpcCredentials(data, context);
    expect(read).toThrow(InvalidCredentialsError);
    expect(read).toThrow(expect.objectContaining({ code: 'ERR_TOKEN_SENT_TWICE' }));
  });

  test('a token beside other credentials is sent once', () => {
    expect(readRpcCredentials({}, grpcMetadata('Basic a', 'Bearer b'))).toBe('Bearer b');
    expect(readRpcCredentials({ access_token: 'b' }, natsHeaders('Basic a'))).toBe('Bearer b');
  });
});
