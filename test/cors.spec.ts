import type { AddressInfo } from 'node:net';
import { Module, type INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { AuthModule, corsOptions, TokenService } from 'nestjs-token-family';
import { CARRIER, RENEWED, withCookie } from './support/cookies.js';
import { send, type Answer } from './support/http.js';
import { options } from './support/node.js';

const APP = 'https://app.example.com';
const OTHER = 'http://localhost:5173';
const ORIGINS = [APP, OTHER];

const STRANGERS = [
  'null',
  '*',
  'https://evil.test',
  'https://app.example.com.evil.test',
  'https://evil-app.example.com',
  'https://evilapp.example.com',
  'https://app.example.community',
  'https://app-example.com',
  'https://appxexample.com',
  'https://example.com',
  'https://sub.app.example.com',
  'http://app.example.com',
  'https://app.example.com:8443',
  'https://app.example.com:443',
  'https://app.example.com/',
  'https://app.example.com.',
  'https://APP.example.com',
  'https://user@app.example.com',
  'https://app.example.com, https://evil.test',
  'https://app.example.com https://evil.test',
  'http://localhost:5174',
  'http://localhost',
];

const listOf = (header: string | null): string[] => (header ?? '').toLowerCase().split(/ *, */).toSorted();

describe.each(['express', 'fastify'] as const)('on %s', (adapter) => {
  let app: INestApplication;
  let url: string;
  beforeAll(async () => {
    const auth = AuthModule.forRoot({ ...options({ origins: ORIGINS }), routes: true, store: 'memory' });
    @Module({ imports: [auth] })
    class PagesModule {}
    const server = adapter === 'fastify' ? new FastifyAdapter() : new ExpressAdapter();
    app = await NestFactory.create(PagesModule, server, { logger: false, abortOnError: false });
    app.enableCors(corsOptions(ORIGINS));
    await app.listen(0, '127.0.0.1');
    url = `http://127.0.0.1:${(app.getHttpServer().address() as AddressInfo).port}`;
  });
  afterAll(() => app?.close());

  const preflight = (origin: string, path = '/auth/refresh', method = 'POST'): Promise<Answer> =>
    send(url + path, {
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': method,
        'access-control-request-headers': 'content-type,x-token-carrier',
      },
    });
  const refresh = async (origin: string): Promise<Answer> => {
    const { refreshToken } = await app.get(TokenService).issue('alice');
    return send(`${url}/auth/refresh`, { json: {}, headers: { ...withCookie(refreshToken), origin } });
  };

  test.each(ORIGINS)(
    'the preflight of a listed page is answered with all it may send: %s',
    async (origin) => {
      const { status, headers } = await preflight(origin);
      expect(status).toBe(204);
      expect(headers.get('access-control-allow-origin')).toBe(origin);
      expect(headers.get('access-control-allow-credentials')).toBe('true');
      expect(listOf(headers.get('access-control-allow-methods'))).toEqual(['delete', 'get', 'post']);
      expect(listOf(headers.get('access-control-allow-headers'))).toEqual([
        'authorization',
        'content-type',
        'idempotency-key',
        'x-token-carrier',
      ]);
      expect(headers.get('access-control-max-age')).toBe('600');
      expect(listOf(headers.get('vary'))).toContain('origin');
    },
  );

  test.each([
    ['/auth/sessions/0192f0c1-2d3e-7a4b-8c5d-6e7f80910a1b', 'DELETE'],
    ['/auth/sessions', 'GET'],
    ['/auth/logout', 'POST'],
  ])('so is one for %s by %s, before any guard', async (path, method) => {
    const { status, headers } = await preflight(APP, path, method);
    expect(status).toBe(204);
    expect(headers.get('access-control-allow-origin')).toBe(APP);
  });

  test('a listed page reads the answer, and refusals, and how long to wait', async () => {
    const granted = await refresh(APP);
    expect(granted.status).toBe(200);
    expect(granted.headers.get('set-cookie')).toMatch(RENEWED);
    const unauthorized = await send(`${url}/auth/refresh`, {
      json: {},
      headers: { ...CARRIER, origin: APP },
    });
    expect(unauthorized.status).toBe(401);
    for (const { headers } of [granted, unauthorized]) {
      expect(headers.get('access-control-allow-origin')).toBe(APP);
      expect(headers.get('access-control-allow-credentials')).toBe('true');
      expect(listOf(headers.get('access-control-expose-headers'))).toEqual([
        'retry-after',
        'www-authenticate',
      ]);
      expect(listOf(headers.get('vary'))).toContain('origin');
    }
  });

  test.each(STRANGERS)('no other page gets consent, nor a token: "%s"', async (origin) => {
    const asked = await preflight(origin);
    const answer = await refresh(origin);
    expect(answer.status).toBe(403);
    expect(answer.headers.get('set-cookie')).toBeNull();
    for (const { headers } of [asked, answer]) {
      expect(headers.get('access-control-allow-origin')).toBeNull();
      expect(listOf(headers.get('vary'))).toContain('origin');
    }
  });

  test('who sends no Origin is answered without consent, and a cache is told what it depends on', async () => {
    const { headers } = await send(`${url}/.well-known/jwks.json`);
    expect(headers.get('access-control-allow-origin')).toBeNull();
    expect(listOf(headers.get('vary'))).toContain('origin');
  });
});

test.each<[unknown]>([
  ...STRANGERS.filter((origin) => !/^https?:\/\/[a-z.-]+(?::(?!443)\d+)?$/.test(origin)).map(
    (origin): [unknown] => [origin],
  ),
  ['https://*.example.com'],
  ['https://app.example.com?'],
  ['^https://app'],
  [/^https:/],
  [true],
  [null],
  [undefined],
  [{ toString: () => APP }],
])('what is no origin is refused, with the remedy: %p', (origin) => {
  const attempt = (): unknown => corsOptions([APP, origin as string]);
  expect(attempt).toThrow(TypeError);
  expect(attempt).toThrow('write it as https://app.example.com');
});

test('an empty list is nobody, and the list itself is not handed out', () => {
  expect(corsOptions([]).origin).toEqual([]);
  const origins = [APP];
  corsOptions(origins).origin.push('https://evil.test');
  expect(corsOptions(origins).origin).toEqual([APP]);
});
