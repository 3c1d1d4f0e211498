import type { AddressInfo } from 'node:net';
import {
  Controller,
  Get,
  Injectable,
  UseGuards,
  type CanActivate,
  type ExecutionContext,
  type INestApplication,
  type Type,
} from '@nestjs/common';
import { ExternalContextCreator } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import {
  AccessGuard,
  AuthHttpException,
  AuthModule,
  CurrentUser,
  Fresh,
  InvalidTokenError,
  OptionalAuth,
  Public,
  RequireScope,
  Strict,
  TokenService,
  type AccessTokenClaims,
  type Requirements,
} from 'nestjs-token-family';
import { send, type Answer } from './support/http.js';
import { options } from './support/node.js';

/** Says which of the guard's steps were taken, in order. */
const steps: string[] = [];

@Injectable()
class LoggingGuard extends AccessGuard {
  protected override getRequirements(context: ExecutionContext): Requirements {
    steps.push('getRequirements');
    return super.getRequirements(context);
  }

  protected override getCredentials(context: ExecutionContext): string | null {
    steps.push('getCredentials');
    return super.getCredentials(context);
  }

  protected override admitAnonymous(requirements: Requirements): true {
    steps.push('admitAnonymous');
    return super.admitAnonymous(requirements);
  }

  protected override verifyNow(credentials: string, now: number): AccessTokenClaims | undefined {
    steps.push('verifyNow');
    return super.verifyNow(credentials, now);
  }

  protected override admit(...args: Parameters<AccessGuard['admit']>): true | Promise<true> {
    steps.push('admit');
    return super.admit(...args);
  }

  protected override checkRevocation(claims: AccessTokenClaims, now: number): void | Promise<void> {
    steps.push('checkRevocation');
    return super.checkRevocation(claims, now);
  }

  protected override checkScope(claims: AccessTokenClaims, scope: readonly string[]): void | Promise<void> {
    steps.push('checkScope');
    return super.checkScope(claims, scope);
  }

  protected override checkFreshness(
    claims: AccessTokenClaims,
    maxAge: number,
    now: number,
  ): void | Promise<void> {
    steps.push('checkFreshness');
    return super.checkFreshness(claims, maxAge, now);
  }

  protected override checkSession(claims: AccessTokenClaims): Promise<void> {
    steps.push('checkSession');
    return super.checkSession(claims);
  }
}

/** For a message queue that carries the token in a header of its own. */
@Injectable()
class QueueGuard extends AccessGuard {
  protected override getCredentials(context: ExecutionContext): string | null {
    if (context.getType<string>() !== 'queue') return super.getCredentials(context);
    const [message] = context.getArgs<[{ headers: { token?: Buffer } }]>();
    return message.headers.token ? `Bearer ${message.headers.token.toString()}` : null;
  }
}

/** `orders:*` grants every word that begins with `orders:`; robots without a token are let in on Sundays. */
@Injectable()
class LenientGuard extends AccessGuard {
  protected override checkScope(claims: AccessTokenClaims, scope: readonly string[]): void | Promise<void> {
    const granted = claims.scope?.split(' ') ?? [];
    const left = scope.filter((word) => !granted.includes(`${word.split(':')[0]}:*`));
    return super.checkScope(claims, left);
  }

  protected override admitAnonymous(): true {
    return true;
  }

  protected override getRequirements(context: ExecutionContext): Requirements {
    return { ...super.getRequirements(context), strict: false };
  }

  protected override checkRevocation(claims: AccessTokenClaims): void | Promise<void> {
    if (claims.sub === 'banned') throw new InvalidTokenError('ERR_ACCESS_TOKEN_REVOKED');
  }
}

function controllerWith(guard: Type<CanActivate>): Type {
  @Controller()
  @UseGuards(guard)
  class OrdersController {
    @Get('me')
    me(@CurrentUser() user?: AccessTokenClaims): object {
      return { sub: user?.sub };
    }

    @Get('orders')
    @RequireScope('orders:read')
    @Fresh('5m')
    orders(): object {
      return {};
    }

    @Get('strict')
    @Strict()
    strict(): object {
      return {};
    }

    @Get('greet')
    @OptionalAuth()
    greet(@CurrentUser() user?: AccessTokenClaims): object {
      return { sub: user?.sub ?? 'stranger' };
    }

    @Get('ping')
    @Public()
    ping(): object {
      return {};
    }
  }
  return OrdersController;
}

const apps: INestApplication[] = [];
afterAll(() => Promise.all(apps.map((app) => app.close())));

async function start(guard: Type<AccessGuard>, more: Type[] = []) {
  const testing = await Test.createTestingModule({
    imports: [AuthModule.forRoot({ ...options(), store: 'memory' })],
    controllers: [controllerWith(guard)],
    providers: [guard, ...more],
  }).compile();
  const app = testing.createNestApplication({ logger: false });
  await app.listen(0, '127.0.0.1');
  apps.push(app);
  const { port } = app.getHttpServer().address() as AddressInfo;
  const get = (path: string, accessToken?: string): Promise<Answer> =>
    send(`http://127.0.0.1:${port}/${path}`, {
      headers: accessToken ? { authorization: `Bearer ${accessToken}` } : {},
    });
  return { app, get, tokens: app.get(TokenService) };
}

describe('a subclass sees every step', () => {
  let world: Awaited<ReturnType<typeof start>>;
  let accessToken: string;
  beforeAll(async () => {
    world = await start(LoggingGuard);
    ({ accessToken } = await world.tokens.issue('alice', { scope: 'orders:read' }));
  });
  beforeEach(() => void (steps.length = 0));

  const found = ['getRequirements', 'getCredentials'];
  const admitted = [...found, 'verifyNow', 'admit'];
  test.each<[path: string, isAuthenticated: boolean, status: number, taken: string[]]>([
    ['me', true, 200, [...admitted, 'checkRevocation', 'checkScope']],
    ['orders', true, 200, [...admitted, 'checkRevocation', 'checkScope', 'checkFreshness']],
    ['strict', true, 200, [...admitted, 'checkRevocation', 'checkScope', 'checkSession']],
    ['me', false, 401, [...found, 'admitAnonymous']],
    ['greet', false, 200, [...found, 'admitAnonymous']],
    ['ping', true, 200, ['getRequirements']],
  ])('of GET /%s, with a token: %p', async (path, isAuthenticated, status, taken) => {
    expect((await world.get(path, isAuthenticated ? accessToken : undefined)).status).toBe(status);
    expect(steps).toEqual(taken);
  });
});

describe('a subclass decides', () => {
  let world: Awaited<ReturnType<typeof start>>;
  beforeAll(async () => {
    world = await start(LenientGuard);
  });

  test('which scope grants which', async () => {
    const { accessToken } = await world.tokens.issue('alice', { scope: 'orders:*' });
    expect((await world.get('orders', accessToken)).status).toBe(200);
    const other = await world.tokens.issue('alice', { scope: 'profile:*' });
    expect((await world.get('orders', other.accessToken)).status).toBe(403);
  });

  test('who comes in without a token', async () => {
    expect((await world.get('me')).status).toBe(200);
    expect((await world.get('me', 'bad')).status).toBe(401);
  });

  test('what is revoked, and what a route demands', async () => {
    const { accessToken, sid } = await world.tokens.issue('alice');
    await world.tokens.revoke(sid);
    expect((await world.get('strict', accessToken)).status).toBe(200);
    const banned = await world.tokens.issue('banned');
    expect((await world.get('me', banned.accessToken)).status).toBe(401);
  });
});

describe('a context of a kind nobody has heard of', () => {
  /** What an application's own transport does: Nest runs the guards of a handler in a context of its making. */
  async function handlerIn(guard: Type<AccessGuard>) {
    @Injectable()
    class Consumer {
      @UseGuards(guard)
      async consume(): Promise<string> {
        return 'consumed';
      }
    }
    const world = await start(guard, [Consumer]);
    const consumer = world.app.get(Consumer);
    const creator = world.app.get(ExternalContextCreator);
    const handle = creator.create(
      consumer,
      Consumer.prototype['consume'],
      'consume',
      undefined,
      undefined,
      undefined,
      undefined,
      undefined,
      'queue',
    ) as (message: object) => Promise<string>;
    return { ...world, handle };
  }

  test('is refused, with the best of tokens', async () => {
    const { handle, tokens } = await handlerIn(AccessGuard);
    const { accessToken } = await tokens.issue('alice');
    const headers = { authorization: `Bearer ${accessToken}`, token: Buffer.from(accessToken) };
    const refused = await handle({ headers }).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(AuthHttpException);
    expect((refused as AuthHttpException).reason.code).toBe('ERR_CONTEXT_UNKNOWN');
  });

  test('is served by a subclass that knows where its token is', async () => {
    const { handle, tokens } = await handlerIn(QueueGuard);
    const { accessToken } = await tokens.issue('alice');
    expect(await handle({ headers: { token: Buffer.from(accessToken) } })).toBe('consumed');
    for (const headers of [{}, { token: Buffer.from('bad') }]) {
      await expect(handle({ headers })).rejects.toBeInstanceOf(AuthHttpException);
    }
  });
});
