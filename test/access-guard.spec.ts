import { Injectable, type ExecutionContext, type Type } from '@nestjs/common';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import { Test, type TestingModule } from '@nestjs/testing';
import {
  AccessGuard,
  AuthModule,
  Fresh,
  OptionalAuth,
  Public,
  RequireScope,
  Strict,
  TokenService,
} from 'nestjs-token-family';
import { RouteRequirements, type RouteDecorator } from '../libs/auth/src/access/requirements.js';
import { VerifiedTokens } from '../libs/auth/src/access/verified-tokens.js';
import type { AccessTokenClaims } from '../libs/auth/src/core/access-token.js';
import { baseOptions } from './support/node.js';

class Plain {
  handler(): void {}
}

function contextOf(request: object, target: Type<{ handler(): void }> = Plain): ExecutionContext {
  return new ExecutionContextHost([request, {}], target, target.prototype.handler);
}

const requestWith = (token: string) => ({
  method: 'GET',
  url: '/me',
  headers: { authorization: `Bearer ${token}` },
});

describe('the guard', () => {
  let module: TestingModule;
  let guard: AccessGuard;
  let token: string;
  beforeAll(async () => {
    const auth = AuthModule.forRoot({ ...baseOptions, store: 'memory' });
    module = await Test.createTestingModule({ imports: [auth] }).compile();
    await module.init();
    guard = module.get(AccessGuard);
    ({ accessToken: token } = await module.get(TokenService).issue('alice'));
  });
  afterAll(() => module.close());

  test('answers a fresh token and a repeated one at once, without a promise', () => {
    expect(guard.canActivate(contextOf(requestWith(token)))).toBe(true);
    expect(guard.canActivate(contextOf(requestWith(token)))).toBe(true);
  });

  test('writes one property onto the request, the same claims for the same token', () => {
    const [first, second] = [requestWith(token), requestWith(token)] as { user?: AccessTokenClaims }[];
    expect([first!, second!].map((request) => guard.canActivate(contextOf(request)))).toEqual([true, true]);
    expect(Object.keys(first!)).toEqual(['method', 'url', 'headers', 'user']);
    expect(first!.user).toMatchObject({ sub: 'alice' });
    expect(second!.user).toBe(first!.user);
  });

  test('throws at once what it refuses', () => {
    expect(() => guard.canActivate(contextOf(requestWith(`${token.slice(0, -4)}AAAA`)))).toThrow(/invalid/);
    expect(() => guard.canActivate(contextOf({ method: 'GET', headers: {} }))).toThrow(/Auth Http|No token/);
  });

  test('a context without a request is refused, and does not fail', () => {
    expect(() => guard.canActivate(contextOf({}))).toThrow(/invalid/);
    expect(() => guard.canActivate(contextOf(undefined as never))).toThrow(/invalid/);
  });

  test('a key that is not at hand is waited for, by passport', async () => {
    const [header, ...rest] = token.split('.');
    const { kid: _, ...plain } = JSON.parse(Buffer.from(header!, 'base64url').toString()) as object & {
      kid: string;
    };
    const renamed = Buffer.from(JSON.stringify({ ...plain, kid: 'elsewhere' })).toString('base64url');
    const answer = guard.canActivate(contextOf(requestWith([renamed, ...rest].join('.'))));
    expect(answer).toBeInstanceOf(Promise);
    await expect(answer).rejects.toThrow(/invalid/);
  });
});

describe('a check that a subclass makes wait', () => {
  const late = () => Promise.reject(new Error('refused later'));

  @Injectable()
  class Revocation extends AccessGuard {
    protected override async checkRevocation(): Promise<void> {
      await late();
    }
  }
  @Injectable()
  class Scope extends AccessGuard {
    protected override async checkScope(): Promise<void> {
      await late();
    }
  }
  @Injectable()
  class Freshness extends AccessGuard {
    protected override async checkFreshness(): Promise<void> {
      await late();
    }
  }

  test.each<[string, Type<AccessGuard>]>([
    ['revocation', Revocation],
    ['scope', Scope],
    ['freshness', Freshness],
  ])('is awaited: %s', async (_, guard) => {
    class FreshRoute {
      @Fresh('1h')
      handler(): void {}
    }
    const auth = AuthModule.forRoot({ ...baseOptions, store: 'memory' });
    const module = await Test.createTestingModule({ imports: [auth], providers: [guard] }).compile();
    await module.init();
    try {
      const { accessToken } = await module.get(TokenService).issue('alice');
      const answer = module.get(guard).canActivate(contextOf(requestWith(accessToken), FreshRoute));
      await expect(answer).rejects.toThrow('refused later');
    } finally {
      await module.close();
    }
  });
});

test('a check that fails later than another one leaves no rejection behind', async () => {
  @Injectable()
  class Both extends AccessGuard {
    protected override async checkRevocation(): Promise<void> {
      throw new Error('refused later');
    }
  }
  class ScopedRoute {
    @RequireScope('admin')
    handler(): void {}
  }
  const unhandled: unknown[] = [];
  const collect = (reason: unknown): void => void unhandled.push(reason);
  process.on('unhandledRejection', collect);
  const auth = AuthModule.forRoot({ ...baseOptions, store: 'memory' });
  const module = await Test.createTestingModule({ imports: [auth], providers: [Both] }).compile();
  await module.init();
  try {
    const { accessToken } = await module.get(TokenService).issue('alice');
    const ask = () => module.get(Both).canActivate(contextOf(requestWith(accessToken), ScopedRoute));
    expect(ask).toThrow(/scope/);
    await new Promise((resolve) => setImmediate(resolve));
    expect(unhandled).toEqual([]);
  } finally {
    process.off('unhandledRejection', collect);
    await module.close();
  }
});

describe('the memory of verified tokens', () => {
  const claims = (name: string) => ({ jti: name }) as unknown as AccessTokenClaims;
  const credentials = (name: string) => `Bearer header.payload.${name.padStart(86, '-')}`;
  const entry = (name: string, expiresAt = 1000) => ({
    credentials: credentials(name),
    claims: claims(name),
    expiresAt,
  });
  const found = (memory: VerifiedTokens, name: string, version = 1, now = 0) =>
    memory.find(credentials(name), version, now)?.jti;

  test('finds what was put in, and nothing that only ends alike', () => {
    const memory = new VerifiedTokens(10);
    memory.add(entry('one'), 1, 0);
    expect(found(memory, 'one')).toBe('one');
    expect(memory.find(credentials('one').replace('header', 'Header'), 1, 0)).toBeUndefined();
    expect(found(memory, 'two')).toBeUndefined();
  });

  test('forgets a token at its end, to the millisecond', () => {
    const memory = new VerifiedTokens(10);
    memory.add(entry('one', 1000), 1, 0);
    expect(found(memory, 'one', 1, 999)).toBe('one');
    expect(found(memory, 'one', 1, 1000)).toBeUndefined();
    expect(memory.size).toBe(0);
  });

  test('forgets everything when a key comes or goes', () => {
    const memory = new VerifiedTokens(10);
    memory.add(entry('one'), 1, 0);
    expect(found(memory, 'one', 2)).toBeUndefined();
    expect(memory.size).toBe(0);
  });

  test('keeps nothing that was verified under the keys of before', () => {
    const memory = new VerifiedTokens(10);
    memory.add(entry('two'), 2, 0);
    memory.add(entry('one'), 1, 0);
    expect(found(memory, 'one', 2)).toBeUndefined();
    expect(found(memory, 'two', 2)).toBe('two');
  });

  test('never holds more than its capacity: the oldest goes first', () => {
    const memory = new VerifiedTokens(2);
    for (const name of ['one', 'two', 'three']) memory.add(entry(name), 1, 0);
    expect(memory.size).toBe(2);
    expect(['one', 'two', 'three'].map((name) => found(memory, name))).toEqual([undefined, 'two', 'three']);
  });

  test('a token that comes again takes its own place', () => {
    const memory = new VerifiedTokens(2);
    for (const name of ['one', 'two', 'two']) memory.add(entry(name), 1, 0);
    expect(found(memory, 'one')).toBe('one');
  });

  test('puts those that have expired away as others come', () => {
    const memory = new VerifiedTokens(100);
    for (const name of ['one', 'two', 'three']) memory.add(entry(name, 10), 1, 0);
    memory.add(entry('four'), 1, 10);
    expect(memory.size).toBe(2);
    memory.add(entry('five'), 1, 10);
    expect(memory.size).toBe(2);
  });

  test('a capacity of 0 keeps none', () => {
    const memory = new VerifiedTokens(0);
    memory.add(entry('one'), 1, 0);
    expect(memory.size).toBe(0);
  });
});

describe('what a route demands', () => {
  /** A class and its handler, with decorators. */
  function route(onClass: RouteDecorator[], onHandler: RouteDecorator[]): Type<{ handler(): void }> {
    class Route {
      handler(): void {}
    }
    const descriptor = Object.getOwnPropertyDescriptor(Route.prototype, 'handler')!;
    for (const decorate of onHandler) decorate(Route.prototype, 'handler', descriptor);
    for (const decorate of onClass) decorate(Route);
    return Route;
  }
  const demandsOf = (target: Type<{ handler(): void }>) => new RouteRequirements().of(contextOf({}, target));
  const [isPublic, isOptional] = [Public(), OptionalAuth()];
  const read = RequireScope('read');
  const write = RequireScope('write', 'admin');

  test.each<[string, RouteDecorator[], RouteDecorator[], string]>([
    ['nothing said: required', [], [], 'required'],
    ['a public handler', [], [isPublic], 'public'],
    ['a public class', [isPublic], [], 'public'],
    ['an optional handler of a public class', [isPublic], [isOptional], 'optional'],
    ['a public handler of a class with a scope', [read], [isPublic], 'public'],
    ['a handler with a scope in a public class', [isPublic], [read], 'required'],
    ['a fresh handler in a public class', [isPublic], [Fresh(60)], 'required'],
    ['a strict handler in an optional class', [isOptional], [Strict()], 'required'],
    ['public and a scope on one handler', [], [isPublic, read], 'required'],
    ['optional and strict on one class', [isOptional, Strict()], [], 'required'],
  ])('%s', (_, onClass, onHandler, access) => {
    expect(demandsOf(route(onClass, onHandler)).access).toBe(access);
  });

  test('scopes of class and handler add up; of two ages the shorter counts', () => {
    const both = route([read, Fresh('1h')], [write, Fresh('5m'), Strict()]);
    expect(demandsOf(both)).toEqual({
      access: 'required',
      scope: ['write', 'admin', 'read'],
      maxAge: 300,
      strict: true,
    });
  });

  test('several decorators on one handler add up, in whichever order', () => {
    for (const both of [
      [read, write],
      [write, read],
    ]) {
      expect(demandsOf(route([], both)).scope.toSorted()).toEqual(['admin', 'read', 'write']);
    }
    expect(demandsOf(route([], [Fresh('5m'), Fresh('1h')])).maxAge).toBe(300);
    expect(demandsOf(route([], [Fresh('1h'), Fresh('5m')])).maxAge).toBe(300);
  });

  describe('where a class extends another', () => {
    class Base {
      handler(): void {}
    }
    class Below extends Base {
      added(): void {}
    }
    class Overriding extends Base {
      override handler(): void {}
    }
    class Other extends Base {}
    RequireScope('base')(Base);
    RequireScope('below')(Below);

    class OpenBase {
      handler(): void {}
    }
    class BelowOpen extends OpenBase {
      added(): void {}
    }
    class OverridingOpen extends OpenBase {
      override handler(): void {}
    }
    class OpenBelow extends Base {
      added(): void {}
    }
    class ClosedBelowOpen extends OpenBase {}
    Public()(OpenBase);
    Public()(OpenBelow);
    RequireScope('below')(ClosedBelowOpen);

    const asked = (target: Type, name: string) =>
      new RouteRequirements().of(
        new ExecutionContextHost([{}, {}], target, target.prototype[name as never] as () => void),
      );

    test.each<[string, Type, string, object]>([
      ['what both demand adds up', Below, 'handler', { access: 'required', scope: ['below', 'base'] }],
      ['for a handler that is added, too', Below, 'added', { access: 'required', scope: ['below', 'base'] }],
      ['and for one that is replaced', Overriding, 'handler', { access: 'required', scope: ['base'] }],
      ['a sister class demands what it demands', Other, 'handler', { access: 'required', scope: ['base'] }],
      ['an open class opens its handlers in a class below', BelowOpen, 'handler', { access: 'public' }],
      ['and not those that the class below adds', BelowOpen, 'added', { access: 'required' }],
      ['or replaces', OverridingOpen, 'handler', { access: 'required' }],
      ['an open class below opens what it inherits', OpenBelow, 'handler', { access: 'public' }],
      ['and what it adds', OpenBelow, 'added', { access: 'public' }],
      [
        'a class below that demands closes what it inherits',
        ClosedBelowOpen,
        'handler',
        { access: 'required' },
      ],
    ])('%s', (_, target, name, expected) => {
      expect(asked(target, name)).toMatchObject(expected);
    });
  });

  test.each([
    ['no word', () => RequireScope()],
    ['two words in one', () => RequireScope('a b')],
    ['a quote', () => RequireScope('a"')],
    ['no duration', () => Fresh('soon')],
  ])('%s is a mistake of the programmer', (_, decorate) => {
    expect(decorate).toThrow(TypeError);
  });
});
