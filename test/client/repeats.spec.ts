import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createTokenClient, type TokenClient } from 'token-family-client';

/** What arrived at the resource server. */
interface Arrived {
  readonly method: string;
  readonly contentType: string;
  readonly authorization: string | undefined;
  readonly body: string;
}

const RANDOM = Uint8Array.from({ length: 70_000 }, (_, index) => (index * 7919) % 251);

let own: Server;
let elsewhere: Server;
let arrived: Arrived[];
let client: TokenClient;
let tokens: number;

const urlOf = (server: Server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

async function read(request: IncomingMessage): Promise<Arrived> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  const { 'content-type': contentType = '', authorization } = request.headers;
  return {
    method: request.method!,
    contentType,
    authorization,
    body: Buffer.concat(pieces).toString('base64'),
  };
}

function listen(
  answer: (seen: Arrived, request: IncomingMessage) => [number, object, string?],
): Promise<Server> {
  const server = createServer((request, response) => {
    void read(request).then((seen) => {
      const [status, headers, text = ''] = answer(seen, request);
      response.writeHead(status, headers as Record<string, string>).end(text);
    });
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

const close = (server: Server) => new Promise((resolve) => server.close(resolve).closeAllConnections());

beforeAll(async () => {
  elsewhere = await listen((seen) => {
    arrived.push(seen);
    return [200, {}];
  });
  own = await listen((seen, { url }) => {
    if (url === '/auth/refresh') {
      const text = { access_token: `token-${++tokens}`, expires_in: 300, refresh_token: 'next', sid: 's' };
      return [200, { 'content-type': 'application/json' }, JSON.stringify({ ...text, token_type: 'Bearer' })];
    }
    arrived.push(seen);
    if (url === '/to-elsewhere') return [302, { location: urlOf(elsewhere) }];
    if (url === '/to-me') return [307, { location: '/me' }];
    return seen.authorization === 'Bearer token-1'
      ? [401, { 'www-authenticate': 'Bearer error="invalid_token"' }]
      : [200, {}, 'done'];
  });
});
afterAll(() => Promise.all([own, elsewhere].map(close)));
beforeEach(async () => {
  arrived = [];
  tokens = 1;
  client = createTokenClient({ baseUrl: urlOf(own) });
  await client.setTokens({
    access_token: 'token-1',
    token_type: 'Bearer',
    expires_in: 300,
    refresh_token: 'first',
    refresh_expires_in: 3600,
    sid: 's',
  });
});
afterEach(() => client.dispose());

const form = (): FormData => {
  const data = new FormData();
  data.set('name', 'Zoë');
  data.set('file', new Blob([RANDOM]), 'data.bin');
  return data;
};

describe('A request that is repeated after a 401', () => {
  test.each<[string, NonNullable<RequestInit['body']>]>([
    ['a text', 'Zoë — “quoted”'],
    ['an empty text', ''],
    ['a form', form()],
    ['a blob', new Blob([RANDOM], { type: 'application/x-own' })],
    ['parameters', new URLSearchParams({ a: '1 & 2' })],
    ['bytes', RANDOM],
    ['a buffer', RANDOM.buffer],
  ])('with %s for a body sends the very same bytes', async (_, body) => {
    const { status } = await client.fetch('/me', { method: 'POST', body });
    expect(status).toBe(200);
    const [first, second] = arrived;
    expect(arrived).toHaveLength(2);
    expect(second).toEqual({ ...first, authorization: 'Bearer token-2' });
    expect(body instanceof FormData || body === '' || first!.body.length > 0).toBe(true);
  });

  test('as a Request object is sent as it was made', async () => {
    const headers = { 'content-type': 'application/x-own', 'x-own': '1' };
    const request = new Request(`${urlOf(own)}/me`, { method: 'PUT', body: 'twice', headers });
    expect((await client.fetch(request)).status).toBe(200);
    expect(arrived[1]).toEqual({ ...arrived[0], authorization: 'Bearer token-2' });
    expect(arrived[0]).toMatchObject({ method: 'PUT', contentType: 'application/x-own' });
    expect(Buffer.from(arrived[1]!.body, 'base64').toString()).toBe('twice');
  });

  test('follows a redirect within the origin with its token', async () => {
    expect((await client.fetch('/to-me', { method: 'POST', body: 'twice' })).status).toBe(200);
    expect(arrived.map(({ authorization }) => authorization)).toEqual([
      'Bearer token-1',
      'Bearer token-1',
      'Bearer token-2',
      'Bearer token-2',
    ]);
  });
});

describe('A stream', () => {
  const stream = () => new Blob([RANDOM]).stream();

  test('is sent once; its 401 is the answer, and the next request has another token', async () => {
    const init = { method: 'POST', body: stream(), duplex: 'half' } as RequestInit;
    expect((await client.fetch('/me', init)).status).toBe(401);
    expect(arrived).toHaveLength(1);
    expect(arrived[0]!.body).toBe(Buffer.from(RANDOM).toString('base64'));
    expect((await client.fetch('/me')).status).toBe(200);
    expect(arrived).toHaveLength(2);
  });

  test('with a good token arrives whole', async () => {
    await client.fetch('/me');
    const init = { method: 'POST', body: stream(), duplex: 'half' } as RequestInit;
    expect((await client.fetch('/me', init)).status).toBe(200);
    expect(arrived.at(-1)!.body).toBe(Buffer.from(RANDOM).toString('base64'));
  });
});

test('a redirect to another origin goes there without the access token', async () => {
  expect((await client.fetch('/to-elsewhere')).status).toBe(200);
  expect(arrived.map(({ authorization }) => authorization)).toEqual(['Bearer token-1', undefined]);
});

test('fetch can be handed on by itself', async () => {
  const { fetch } = client;
  expect(await (await fetch('me')).text()).toBe('done');
});
