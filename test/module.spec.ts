import {
  Catch,
  Controller,
  Get,
  HttpException,
  Injectable,
  Module,
  UseGuards,
  type ArgumentsHost,
  type DynamicModule,
  type ExceptionFilter,
  type Type,
} from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { PassportModule, PassportStrategy } from '@nestjs/passport';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Strategy } from 'passport-jwt';
import {
  AccessGuard,
  AuthModule,
  ConfigError,
  Public,
  TokenService,
  type TokenFamilyOptions,
} from 'nestjs-token-family';
import { createDatabase, dataSourceOptions, type TestDatabase } from './support/database.js';
import { me, send } from './support/http.js';
import { baseOptions, options, startNode } from './support/node.js';

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database.drop());

const postgres = (name?: string): DynamicModule =>
  TypeOrmModule.forRoot({ ...dataSourceOptions(database.url), retryAttempts: 0, ...(name && { name }) });

/** Boots the modules, and logs somebody in through the TokenService that `from` sees. */
async function boot(imports: (DynamicModule | Type)[]): Promise<void> {
  const app = (await Test.createTestingModule({ imports }).compile()).createNestApplication({
    logger: false,
  });
  try {
    await app.init();
    const pair = await app.get(TokenService, { strict: false }).issue('alice');
    expect((await app.get(TokenService, { strict: false }).rotate(pair.refreshToken)).sid).toBe(pair.sid);
  } finally {
    await app.close();
  }
}

@Controller()
class GuardedController {
  @Get('guarded')
  @UseGuards(AccessGuard)
  guarded(): string {
    return 'in';
  }
}

@Module({ controllers: [GuardedController] })
class FeatureModule {}

test('the module boots with forRoot', () => boot([postgres(), AuthModule.forRoot(baseOptions)]));

test('the module boots with forRootAsync', () =>
  boot([postgres(), AuthModule.forRootAsync({ useFactory: async () => baseOptions, routes: true })]));

test('the module boots on a named data source', () =>
  boot([postgres('sessions'), AuthModule.forRoot({ ...baseOptions, dataSource: 'sessions' })]));

test('the module boots in memory, without a data source', () =>
  boot([AuthModule.forRoot({ ...baseOptions, store: 'memory' })]));

test('a feature module uses the guard without importing anything', () =>
  boot([postgres(), FeatureModule, AuthModule.forRoot(baseOptions)]));

test('a module that is not global is seen by those who import it', async () => {
  const auth = AuthModule.forRoot({ ...baseOptions, isGlobal: false });

  @Module({ imports: [auth], controllers: [GuardedController] })
  class ImportingModule {}

  await boot([postgres(), ImportingModule]);
  await expect(boot([postgres(), FeatureModule, auth])).rejects.toThrow(/AccessGuard|AccessTokenStrategy/);
});

test('a bad configuration names all its faults at once, and no secret', async () => {
  const secret = 'hunter2';
  const bad = {
    issuer: '',
    audience: [],
    accessToken: { keys: ['no key'], lifetime: 'soon', jitter: 2 },
    refreshToken: { keys: [{ id: 300, secret }], leeway: '1h', ttl: 5 },
  } as unknown as TokenFamilyOptions;
  const error: unknown = await boot([postgres(), AuthModule.forRoot(bad)]).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(ConfigError);
  const { message, faults } = error as ConfigError;
  expect(message).not.toContain(secret);
  expect(faults.map((fault) => fault.split(' ')[0])).toEqual([
    'issuer',
    'audience',
    'accessToken.lifetime',
    'accessToken.jitter',
    'refreshToken.keys[0].id',
    'refreshToken.keys[0].secret',
    'refreshToken.leeway',
    'refreshToken.ttl',
    'accessToken.keys[0]',
  ]);
});

test('options that are missing altogether are faults, not crashes', async () => {
  const error: unknown = await boot([postgres(), AuthModule.forRoot({} as TokenFamilyOptions)]).catch(
    (reason) => reason,
  );
  expect(error).toBeInstanceOf(ConfigError);
  expect((error as ConfigError).faults).toHaveLength(4);
});

test.each([
  ['keys that are no list', { accessToken: { keys: 'PEM' }, refreshToken: { keys: { id: 1 } } }],
  ['no options at all', undefined],
])('%s are faults, not crashes', async (_, changes) => {
  const bad = (changes && { ...baseOptions, ...changes }) as unknown as TokenFamilyOptions;
  const start = boot([postgres(), AuthModule.forRootAsync({ useFactory: () => bad })]);
  await expect(start).rejects.toThrow(/accessToken\.keys must be a list/);
});

test('without its table the application does not start, and says what to run', async () => {
  const empty = await createDatabase({ empty: true });
  try {
    await expect(startNode({ url: empty.url })).rejects.toThrow(/tokenFamilyMigrations/);
  } finally {
    await empty.drop();
  }
});

test('a global guard protects every route that is not public', async () => {
  @Controller()
  class OpenController {
    @Get('open')
    @Public()
    open(): { open: boolean } {
      return { open: true };
    }

    @Get('closed')
    closed(): { open: boolean } {
      return { open: false };
    }
  }
  const app = (
    await Test.createTestingModule({
      imports: [postgres(), AuthModule.forRoot({ ...baseOptions, routes: { prefix: 'session' } })],
      controllers: [OpenController],
      providers: [{ provide: APP_GUARD, useExisting: AccessGuard }],
    }).compile()
  ).createNestApplication({ logger: false });
  await app.listen(0, '127.0.0.1');
  try {
    const url = (await app.getUrl()).replace('[::1]', '127.0.0.1');
    const pair = await app.get(TokenService).issue('alice');
    expect((await send(`${url}/open`)).status).toBe(200);
    expect((await send(`${url}/closed`)).status).toBe(401);
    expect(
      (await send(`${url}/session/refresh`, { json: { refresh_token: pair.refreshToken } })).status,
    ).toBe(200);
    expect((await send(`${url}/auth/refresh`, { json: {} })).status).toBe(404);
  } finally {
    await app.close();
  }
});

test.each([
  ['a default strategy', { defaultStrategy: 'legacy' }],
  ['sessions', { session: false }],
  ['a property', { property: 'account' }],
])('a PassportModule in sight that sets %s does not change the guard', async (_, passport) => {
  @Injectable()
  class LegacyStrategy extends PassportStrategy(Strategy, 'legacy') {
    constructor() {
      super({ jwtFromRequest: () => 'any', secretOrKey: 'any' });
    }

    override authenticate(): void {
      this.success({ sub: 'mallory' });
    }

    validate(): boolean {
      return true;
    }
  }

  @Module({
    imports: [PassportModule.register(passport)],
    controllers: [GuardedController],
    providers: [LegacyStrategy],
  })
  class LegacyModule {}

  const auth = AuthModule.forRoot({ ...baseOptions, store: 'memory' });
  const testing = Test.createTestingModule({ imports: [auth, LegacyModule] });
  const app = (await testing.compile()).createNestApplication({ logger: false });
  await app.listen(0, '127.0.0.1');
  try {
    const url = `${(await app.getUrl()).replace('[::1]', '127.0.0.1')}/guarded`;
    const { accessToken } = await app.get(TokenService).issue('alice');
    const status = async (token: string) =>
      (await fetch(url, { headers: { authorization: `Bearer ${token}` } })).status;
    expect((await fetch(url)).status).toBe(401);
    expect(await status(accessToken)).toBe(200);
    // Of a key that is not at hand: the one that passport is asked about.
    const header = Buffer.from(JSON.stringify({ typ: 'at+jwt', alg: 'ES256', kid: 'unknown' }));
    expect(await status(accessToken.replace(/^[^.]+/, header.toString('base64url')))).toBe(401);
  } finally {
    await app.close();
  }
});

test('two systems in one process keep to their own issuer and keys', async () => {
  const one = await startNode({ url: database.url });
  const two = await startNode({ url: database.url, options: options({ issuer: 'https://two.test' }) });
  try {
    const pairs = [await one.tokens.issue('alice'), await two.tokens.issue('alice')];
    expect((await me(one, pairs[0]!.accessToken)).status).toBe(200);
    expect((await me(two, pairs[1]!.accessToken)).status).toBe(200);
    expect((await me(one, pairs[1]!.accessToken)).status).toBe(401);
    expect((await me(two, pairs[0]!.accessToken)).status).toBe(401);
  } finally {
    await one.close();
    await two.close();
  }
});

test("an application's catch-all filter still finds the right status, and our routes still answer themselves", async () => {
  @Catch()
  class CatchAllFilter implements ExceptionFilter {
    catch(error: unknown, host: ArgumentsHost): void {
      const status = error instanceof HttpException ? error.getStatus() : 500;
      host.switchToHttp().getResponse<Response>().status(status).json({ caught: true });
    }
  }
  interface Response {
    status(code: number): { json(body: object): void };
  }
  const app = (
    await Test.createTestingModule({
      imports: [FeatureModule, AuthModule.forRoot({ ...baseOptions, store: 'memory', routes: true })],
    }).compile()
  ).createNestApplication({ logger: false });
  app.useGlobalFilters(new CatchAllFilter());
  await app.listen(0, '127.0.0.1');
  try {
    const url = (await app.getUrl()).replace('[::1]', '127.0.0.1');
    expect(await send(`${url}/guarded`)).toMatchObject({ status: 401, body: { caught: true } });
    const refused = await send(`${url}/auth/refresh`, { json: {} });
    expect(refused).toMatchObject({ status: 400, body: { error: 'invalid_request' } });
  } finally {
    await app.close();
  }
});
