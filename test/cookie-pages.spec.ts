import { connect, type ClientHttp2Session, type OutgoingHttpHeaders } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { Controller, Module, Post } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { AuthModule, TokenResponse, TokenService, type TokenPair } from 'nestjs-token-family';
import { ask } from './attacks/wire.js';
import { CARRIER, CLEARED, COOKIE, cookieOf, expectUnspent, RENEWED, withCookie } from './support/cookies.js';
import { send, type Answer } from './support/http.js';
import { options, startNode } from './support/node.js';
import { onBothAdapters } from './support/on-both-adapters.js';

const APP = 'https://app.example.com';
const EVIL = 'https://evil.test';

type Headers = Record<string, string>;

/** An application's own login. */
@Controller('own')
class LoginController {
  constructor(private readonly tokens: TokenService) {}

  @Post('login')
  @TokenResponse()
  login(): Promise<TokenPair> {
    return this.tokens.issue('alice');
  }
}

onBothAdapters({ options: options({ origins: [APP] }), controllers: [LoginController] }, (fixture) => {
  const post = (path: string, headers: Headers): Promise<Answer> =>
    send(`${fixture.node.url}/${path}`, { headers, json: {} });
  const issue = (): Promise<TokenPair> => fixture.node.tokens.issue('alice');

  const refused: [page: string, headers: Headers][] = [
    ['of another site', { origin: EVIL, 'sec-fetch-site': 'cross-site' }],
    ['of a sibling', { origin: 'https://blog.example.com', 'sec-fetch-site': 'same-site' }],
    ['without Origin', { 'sec-fetch-site': 'cross-site' }],
    ['in a sandbox', { origin: 'null', 'sec-fetch-site': 'cross-site' }],
    ['in a sandbox that is vouched for', { origin: 'null', 'sec-fetch-site': 'same-origin' }],
    ['of another site, in an older browser', { origin: EVIL }],
    ['in a sandbox, in an older browser', { origin: 'null' }],
    ['of a look-alike', { origin: `${APP}.evil.test` }],
    ['of a listed host by another scheme', { origin: APP.replace('https', 'http') }],
    ['of two origins', { origin: `${APP}, ${EVIL}` }],
    ['that a proxy is said to have forwarded', { origin: EVIL, 'x-forwarded-host': 'evil.test' }],
  ];
  test.each(refused)('R23: a page %s gets 403, and nothing is spent, ended or issued', async (_, headers) => {
    const pair = await issue();
    const events = fixture.node.events.length;
    const asPage = { ...withCookie(pair.refreshToken), ...headers };
    const answers = [
      await post('own/login', { ...CARRIER, ...headers }),
      await post('auth/refresh', asPage),
      await post('auth/logout', asPage),
      await post('auth/logout', { ...asPage, authorization: `Bearer ${pair.accessToken}` }),
    ];
    for (const answer of answers) {
      expect(answer.status).toBe(403);
      expect(answer.body).toMatchObject({ error: 'invalid_request' });
      expect(answer.headers.get('www-authenticate')).toBeNull();
      expect(answer.headers.get('set-cookie')).toBeNull();
    }
    expect(fixture.node.events.slice(events)).toEqual([]);
    await expectUnspent(fixture, pair);
  });

  const passing: [who: string, headers: () => Headers][] = [
    ['a page of this server', () => ({ origin: fixture.node.url, 'sec-fetch-site': 'same-origin' })],
    [
      'a page behind a proxy',
      () => ({ origin: 'https://auth.example.com', 'sec-fetch-site': 'same-origin' }),
    ],
    ['a listed page', () => ({ origin: APP, 'sec-fetch-site': 'same-site' })],
    ['a page of this server, in an older browser', () => ({ origin: fixture.node.url })],
    ['a listed page, in an older browser', () => ({ origin: APP })],
    ['what is no browser', () => ({})],
  ];
  test.each(passing)('%s logs in, refreshes and logs out', async (_, headers) => {
    const asPage = { ...CARRIER, ...headers() };
    const login = await post('own/login', asPage);
    expect(login.headers.get('set-cookie')).toMatch(RENEWED);
    const refresh = await post('auth/refresh', { ...asPage, cookie: `${COOKIE}=${cookieOf(login)}` });
    expect(refresh.headers.get('set-cookie')).toMatch(RENEWED);
    const logout = await post('auth/logout', { ...asPage, cookie: `${COOKIE}=${cookieOf(refresh)}` });
    expect(logout.status).toBe(204);
    expect(logout.headers.get('set-cookie')).toBe(CLEARED);
  });

  test('who carries the token in the body is not asked for a page', async () => {
    const headers = { origin: EVIL, 'sec-fetch-site': 'cross-site' };
    const json = { refresh_token: (await issue()).refreshToken };
    expect((await send(`${fixture.node.url}/auth/refresh`, { headers, json })).status).toBe(200);
  });

  test.each<[name: string, value: string, others: [string, string][]]>([
    ['Origin', EVIL, [['Origin', 'http://api.test']]],
    ['Origin', 'http://api.test', [['Origin', 'http://api.test']]],
    ['Sec-Fetch-Site', 'cross-site', [['Sec-Fetch-Site', 'same-origin']]],
    ['Host', 'evil.test', [['Origin', 'http://api.test']]],
    ['Host', 'api.test', [['Origin', EVIL]]],
  ])('over the wire a second %s, %s, opens nothing, in either order', async (name, value, others) => {
    const pair = await issue();
    const second: [string, string] = [name, value];
    for (const said of [
      [second, ...others],
      [...others, second],
    ]) {
      const reply = await ask(fixture.node.url, {
        method: 'POST',
        path: '/auth/refresh',
        headers: [['X-Token-Carrier', 'cookie'], ['Cookie', `${COOKIE}=${pair.refreshToken}`], ...said],
      });
      expect(reply.status).toBe(403);
      expect(reply.headers.get('set-cookie')).toBeUndefined();
    }
    await expectUnspent(fixture, pair);
  });

  test.each<[rule: string, type: string, body: string, status: number]>([
    ['a form', 'application/x-www-form-urlencoded', 'a=b', 403],
    ['a form that names a client', 'application/x-www-form-urlencoded', 'client_id=default', 403],
    ['plain text', 'text/plain', '{"a":"="}', 415],
    ['a multipart form', 'multipart/form-data; boundary=b', '--b--\r\n', 415],
  ])(
    'R22: %s of another site spends and ends nothing, were the cookie sent with it',
    async (_, type, body, status) => {
      const pair = await issue();
      for (const route of ['refresh', 'logout']) {
        const reply = await ask(fixture.node.url, {
          method: 'POST',
          path: `/auth/${route}`,
          headers: [
            ['Cookie', `${COOKIE}=${pair.refreshToken}`],
            ['Content-Type', type],
          ],
          body,
        });
        expect(reply.status).toBe(status);
        expect(reply.headers.get('set-cookie')).toBeUndefined();
      }
      await expectUnspent(fixture, pair);
    },
  );
});

test('where the cookie is the only carrier, one that nothing asks for is told the header', async () => {
  const node = await startNode({
    url: process.env['TEST_SERVER_URL']!,
    options: options({ refreshToken: { ...options().refreshToken, carrier: 'cookie' } }),
    extras: { store: 'memory' },
    controllers: [LoginController],
  });
  try {
    const headers = { cookie: `${COOKIE}=${(await node.tokens.issue('alice')).refreshToken}` };
    const refresh = await send(`${node.url}/auth/refresh`, { json: {}, headers });
    expect(refresh.status).toBe(403);
    expect(refresh.body['error_description']).toContain('X-Token-Carrier: cookie');
    expect((await send(`${node.url}/own/login`, { json: {} })).status).toBe(400);
    expect(node.events).toMatchObject([{ type: 'issued' }]);
  } finally {
    await node.close();
  }
});

test('over HTTP/2, where the host has another name, the same pages may', async () => {
  @Module({ imports: [AuthModule.forRoot({ ...options(), routes: true, store: 'memory' })] })
  class PagesModule {}
  const app = await NestFactory.create(PagesModule, new FastifyAdapter({ http2: true }), {
    logger: false,
    abortOnError: false,
  });
  await app.listen(0, '127.0.0.1');
  const { port } = app.getHttpServer().address() as AddressInfo;
  const session = connect(`http://127.0.0.1:${port}`);
  try {
    const asked = async (headers: OutgoingHttpHeaders): Promise<number> => {
      const { refreshToken } = await app.get(TokenService).issue('alice');
      return statusOf(session, { ...withCookie(refreshToken), ...headers });
    };
    expect(await asked({ origin: `http://127.0.0.1:${port}` })).toBe(200);
    expect(await asked({ ':authority': 'auth.example.com', origin: 'https://auth.example.com' })).toBe(200);
    expect(await asked({ ':authority': 'auth.example.com', origin: EVIL })).toBe(403);
    expect(await asked({ ':authority': 'auth.example.com', host: 'evil.test', origin: EVIL })).toBe(403);
    expect(await asked({ origin: EVIL, 'sec-fetch-site': 'cross-site' })).toBe(403);
  } finally {
    session.destroy();
    await app.close();
  }
});

function statusOf(session: ClientHttp2Session, headers: OutgoingHttpHeaders): Promise<number> {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ':method': 'POST', ':path': '/auth/refresh', ...headers });
    stream.on('response', (answer) => resolve(Number(answer[':status'])));
    stream.on('error', reject);
    stream.resume();
    stream.end();
  });
}
