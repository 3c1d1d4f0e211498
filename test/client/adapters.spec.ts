import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  type INestApplication,
  Body,
  Controller,
  Header,
  HttpCode,
  Post,
  UnauthorizedException,
  UseGuards,
} from '@nestjs/common';
import { AccessGuard, CurrentUser, Public, type AccessTokenClaims } from 'nestjs-token-family';
import { createTokenClient, memoryStorage, type TokenClient, type TokenResponse } from 'token-family-client';
import { toBody } from '../../libs/auth/src/http/token-response.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { startNode, type TestNode } from '../support/node.js';
import { LIBRARIES, STREAMED, type Ask } from './libraries.js';

/** Of the application: it answers with what it was sent, and one route has no faith in any token. */
@Controller()
class EchoController {
  @Post('echo')
  @HttpCode(200)
  @UseGuards(AccessGuard)
  echo(@Body() body: unknown, @CurrentUser() { sub }: AccessTokenClaims): object {
    return { body, sub };
  }

  @Public()
  @Post('never')
  @Header('WWW-Authenticate', 'Bearer error="invalid_token"')
  never(): never {
    throw new UnauthorizedException();
  }

  @Public()
  @Post('refused')
  @Header('WWW-Authenticate', 'Bearer')
  refused(): never {
    throw new UnauthorizedException();
  }
}

let database: TestDatabase;
let nodes: Record<'express' | 'fastify', TestNode>;
/** What reached a node, whoever sent it. */
const arrived: [request: IncomingMessage, response: ServerResponse][] = [];
let onArrival: (() => void) | undefined;
beforeAll(async () => {
  database = await createDatabase();
  const configure = (app: INestApplication): void => {
    app.getHttpServer().on('request', (...pair: [IncomingMessage, ServerResponse]) => {
      arrived.push(pair);
      onArrival?.();
    });
  };
  const settings = { url: database.url, controllers: [EchoController], configure };
  nodes = {
    express: await startNode({ ...settings, adapter: 'express' }),
    fastify: await startNode({ ...settings, adapter: 'fastify' }),
  };
});
afterAll(async () => {
  for (const node of Object.values(nodes)) await node.close();
  await database.drop();
});

describe.each(LIBRARIES)('$name', ({ askBy, repeatsStreams }) => {
  describe.each(['express', 'fastify'] as const)('on %s', (adapter) => {
    let client: TokenClient;
    let ask: Ask;
    let login: TokenResponse;
    let held: Promise<void> | undefined;

    beforeEach(async () => {
      arrived.length = 0;
      held = onArrival = undefined;
      const { url } = nodes[adapter];
      client = createTokenClient({ baseUrl: url, storage: memoryStorage(), fetch: heldFetch });
      login = await issue('alice');
      ask = askBy(client, url);
      await client.setTokens(login);
    });
    afterEach(() => client.dispose());

    async function issue(subject: string): Promise<TokenResponse> {
      const pair = await nodes[adapter].tokens.issue(subject);
      return toBody(pair, { refresh_token: pair.refreshToken });
    }

    async function heldFetch(...[input, init]: Parameters<typeof fetch>): Promise<Response> {
      if (input instanceof URL && input.pathname === '/auth/refresh') await held;
      return fetch(input, init);
    }

    /** Such as `POST /echo 401`. */
    const seen = (): string[] =>
      arrived.map(([{ method, url }, { statusCode }]) => `${method} ${url} ${statusCode}`);
    const times = (what: string): number => seen().filter((each) => each.includes(what)).length;
    /** As if it had been issued long ago. */
    const expire = (): Promise<void> => client.setTokens({ ...login, expires_in: 1e-9 });
    /** It looks as good as any, and the node refuses it. */
    const spoil = (): Promise<void> => client.setTokens({ ...login, access_token: 'a.b.c' });

    test('sends the access token', async () => {
      expect(await ask('GET', 'me')).toMatchObject({ status: 200, data: { sub: 'alice' } });
      const answer = await ask('POST', 'echo', { json: { n: 1 } });
      expect(answer).toEqual({ status: 200, data: { body: { n: 1 }, sub: 'alice' } });
      expect(times('/auth/refresh')).toBe(0);
    });

    test('has one that has expired refreshed before the request', async () => {
      await expire();
      const answers = await Promise.all([ask('GET', 'me'), ask('POST', 'echo', { json: { n: 1 } })]);
      expect(answers.map(({ status }) => status)).toEqual([200, 200]);
      expect(times('/auth/refresh')).toBe(1);
      expect(times('401')).toBe(0);
    });

    test('has one that is refused refreshed once, and the request repeated once, with the same body', async () => {
      await spoil();
      const answers = await Promise.all([ask('GET', 'me'), ask('POST', 'echo', { json: { text: 'ü "' } })]);
      expect(answers).toEqual([
        expect.objectContaining({ status: 200 }),
        { status: 200, data: { body: { text: 'ü "' }, sub: 'alice' } },
      ]);
      expect(times('/auth/refresh')).toBe(1);
      expect(times('401')).toBe(2);
    });

    test('does not go round in circles where every token is refused', async () => {
      for (let round = 0; round < 3; round++)
        expect(await ask('POST', 'never', { json: {} })).toMatchObject({ status: 401 });
      expect(times('/auth/refresh')).toBe(1);
      expect(times('POST /never 401')).toBe(4);
    });

    test('does not repeat a POST that may have been carried out', async () => {
      expect(await ask('POST', 'refused', { json: {} })).toMatchObject({ status: 401 });
      expect(times('POST /refused 401')).toBe(1);
    });

    test('sends a stream whole, or not again', async () => {
      await spoil();
      const answers = [
        await ask('POST', 'echo', { stream: true }),
        await ask('POST', 'echo', { stream: true }),
      ];
      const whole = { status: 200, data: { body: STREAMED, sub: 'alice' } };
      const refused = { status: 401, name: 'AxiosError', code: 'ERR_BAD_REQUEST' };
      expect(answers).toEqual([repeatsStreams ? whole : refused, whole]);
      expect(times('/auth/refresh')).toBe(1);
    });

    test('repeats nothing in the name of another user, who logs in meanwhile', async () => {
      await spoil();
      const bobs = await issue('bob');
      onArrival = () => void client.setTokens(bobs);
      expect(await ask('POST', 'echo', { json: {} })).toMatchObject({ status: 401 });
      expect(times('POST /echo')).toBe(1);
      expect(await ask('GET', 'me')).toMatchObject({ data: { sub: 'bob' } });
    });

    test('shows the token to nobody else', async () => {
      const elsewhere = nodes[adapter === 'express' ? 'fastify' : 'express'].url;
      expect((await ask('GET', `${elsewhere}/me`)).status).not.toBe(200);
      const hosts = arrived.map(([{ headers }]) => `http://${headers.host}`);
      expect(hosts).not.toContain(elsewhere);
    });

    test('can be told to stop while the token is on its way, and nothing is sent then', async () => {
      await expire();
      let release!: () => void;
      held = new Promise((resolve) => (release = resolve));
      const controller = new AbortController();
      const cancelled = ask('GET', 'me', { signal: controller.signal });
      const other = ask('POST', 'echo', { json: {} });
      await new Promise((resolve) => setImmediate(resolve));
      controller.abort();
      release();
      expect((await cancelled).name).toMatch(/^(AbortError|CanceledError)$/);
      expect(await other).toMatchObject({ status: 200 });
      expect(seen()).toEqual(['POST /auth/refresh 200', 'POST /echo 200']);
    });

    test('tells its caller that nobody is logged in, and sends nothing', async () => {
      await client.logout();
      arrived.length = 0;
      expect(await ask('GET', 'me')).toMatchObject({ code: 'ERR_NO_SESSION' });
      expect(await ask('POST', 'echo', { json: {} })).toMatchObject({ code: 'ERR_NO_SESSION' });
      expect(seen()).toEqual([]);
    });
  });
});
