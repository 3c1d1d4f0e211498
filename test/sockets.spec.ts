import { generateKeyPairSync } from 'node:crypto';
import { EventEmitter } from 'node:events';
import {
  AccessTokenVerifier,
  UnavailableError,
  type AuthErrorCode,
  type TokenFamilyOptions,
  type TokenPair,
} from 'nestjs-token-family';
import { WebSocket } from 'ws';
import { KeyRing } from '../libs/auth/src/jwt/key-ring.js';
import { createDatabase } from './support/database.js';
import { connect, type Handshake, type SocketClient } from './support/socket-client.js';
import { startSocketNode, type SocketNode, type SocketNodeSettings } from './support/socket-node.js';

const MISSING = { error: 'unauthorized', error_description: 'No token was sent' };
const INVALID = { error: 'invalid_token', error_description: 'The access token is invalid' };
const EXPIRED = { error: 'invalid_token', error_description: 'The access token expired' };
const UNAVAILABLE = {
  error: 'temporarily_unavailable',
  error_description: 'The service cannot answer now; try again',
};
const MISMATCH = { error: 'session_mismatch', error_description: 'The token belongs to another session' };
const TWICE = { error: 'invalid_request', error_description: 'The access token was sent more than once' };

/** Tests move the clock by minutes; the feed reads at its own pace. */
const changes = {
  accessToken: { jitter: 0 },
  revocation: { maxStaleness: '1h' },
} as Partial<TokenFamilyOptions>;
/** milliseconds */
const LIFETIME = 300_000;
const TOLERANCE = 5_000;

const unhandled: unknown[] = [];
process.on('unhandledRejection', (reason) => unhandled.push(reason));

const endings: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).toReversed()) await end();
});

/** A node for one test. */
async function startNode(settings: SocketNodeSettings): Promise<SocketNode> {
  const node = await startSocketNode(settings);
  endings.push(() => node.close());
  return node;
}

/** A client of ws that takes no notice of a close frame. */
async function openDeaf(node: SocketNode, accessToken: string): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${node.port}`, ['bearer', accessToken]);
  await EventEmitter.once(socket, 'open');
  endings.push(async () => socket.terminate());
  (Reflect.get(socket, '_receiver') as EventEmitter).removeAllListeners('conclude');
  return socket;
}

const publicKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey;
const anotherKey = { kid: 'another', algorithm: 'ES256', publicKey } as const;

/** For what a server hears of later than its client. */
async function until(holds: () => boolean): Promise<void> {
  const end = performance.now() + 5000;
  while (!holds() && performance.now() < end) await new Promise(setImmediate);
  expect(holds()).toBe(true);
}

describe.each(['ws', 'socket.io'] as const)('on %s', (adapter) => {
  const refused = (word: string) => (adapter === 'ws' ? `1008 ${word}` : 'io server disconnect');
  const mayRetry = adapter === 'ws' ? '1013 temporarily_unavailable' : 'io server disconnect';
  let node: SocketNode;
  let pair: TokenPair;
  beforeAll(async () => {
    node = await startSocketNode({ adapter, changes });
  });
  beforeEach(async () => {
    pair = await node.tokens.issue('alice', { scope: 'profile' });
  });
  afterEach(async () => {
    node.clock.moved = 0;
    jest.restoreAllMocks();
    for (const client of opened.splice(0)) client.close();
    await until(() => node.sockets.size === 0);
    expect(node.log.errors()).toEqual([]);
  });
  afterAll(() => node.close());

  const opened: SocketClient[] = [];
  async function open(handshake: Handshake): Promise<SocketClient> {
    const client = await connect(adapter, node.port, handshake);
    opened.push(client);
    return client;
  }
  const bearer = ({ accessToken }: TokenPair): Handshake => ({ authorization: `Bearer ${accessToken}` });
  async function answer(
    client: SocketClient,
    event: string,
    reply: string,
    data?: unknown,
  ): Promise<unknown> {
    client.send(event, data);
    return client.next(reply);
  }

  test('messages of an accepted socket pass, the first one right after the handshake', async () => {
    const client = await open(bearer(pair));
    expect(await answer(client, 'whoami', 'you')).toBe('alice');
    expect(await answer(client, 'whoami', 'you')).toBe('alice');
  });

  test('a browser, which cannot set a header, has a way of its own', async () => {
    const client = await open({ browserToken: pair.accessToken });
    expect(await answer(client, 'whoami', 'you')).toBe('alice');
  });

  test('a token in the query is not read', async () => {
    const client = await open({ query: `access_token=${pair.accessToken}&token=${pair.accessToken}` });
    expect(await client.next('exception')).toEqual(MISSING);
    expect(await client.closed).toBe(refused('unauthorized'));
  });

  test.each<[string, (accessToken: string) => Handshake]>([
    [
      'in a header and as a browser does',
      (token) => ({ authorization: `Bearer ${token}`, browserToken: token }),
    ],
    [
      'in a header and in the query',
      (token) => ({ authorization: `Bearer ${token}`, query: `access_token=x` }),
    ],
  ])('a token sent twice, %s, is refused', async (_, handshake) => {
    const client = await open(handshake(pair.accessToken));
    expect(await client.next('exception')).toEqual(TWICE);
    expect(await client.closed).toBe(refused('invalid_request'));
  });

  test('a bad token is told and disconnected', async () => {
    const client = await open({ browserToken: `${pair.accessToken.slice(0, -4)}AAAA` });
    expect(await client.next('exception')).toEqual(INVALID);
    expect(await client.closed).toBe(refused('invalid_token'));
  });

  test('a token of a revoked session is refused', async () => {
    await node.tokens.revoke(pair.sid);
    const accept = jest.spyOn(node.sockets, 'accept');
    const client = await open(bearer(pair));
    expect(await client.next('exception')).toEqual(INVALID);
    expect(await accept.mock.results[0]!.value).toBeNull();
    expect(await client.closed).toBe(refused('invalid_token'));
  });

  test('when it cannot be told whether a token is good, the socket may try again', async () => {
    node.clock.moved = 3_700_000;
    const late = await node.tokens.issue('alice');
    const client = await open(bearer(late));
    expect(await client.next('exception')).toEqual(UNAVAILABLE);
    expect(await client.closed).toBe(mayRetry);
    expect(node.log.lines.splice(0).filter((line) => line.startsWith('error'))).toEqual([
      expect.stringContaining('ERR_REVOCATIONS_STALE'),
    ]);
  });

  describe('a socket nobody accepted', () => {
    let stranger: SocketClient;
    beforeEach(async () => {
      stranger = await open({ query: 'stranger=1' });
    });

    test('is refused, told so, and stays open', async () => {
      expect(await answer(stranger, 'whoami', 'exception')).toEqual(MISSING);
      expect(await answer(stranger, 'ping', 'pong')).toBe('pong');
    });

    test('passes where a token is optional', async () => {
      expect(await answer(stranger, 'greet', 'greeting')).toBe('stranger');
    });

    test('cannot renew', async () => {
      const { accessToken } = pair;
      expect(await answer(stranger, 'renew', 'exception', { access_token: accessToken })).toEqual(MISMATCH);
      expect(await answer(stranger, 'whoami', 'exception')).toEqual(MISSING);
    });

    test('is accepted by a message, where the application takes one', async () => {
      const { accessToken } = pair;
      expect(await answer(stranger, 'accept', 'accepted', { access_token: accessToken })).toBe(true);
      expect(await answer(stranger, 'whoami', 'you')).toBe('alice');
    });
  });

  test('a message demands its scope', async () => {
    const client = await open(bearer(pair));
    expect(await answer(client, 'orders', 'exception')).toEqual({
      error: 'insufficient_scope',
      error_description: 'The access token does not grant the scope this demands',
      scope: 'orders:read',
    });
    client.close();
    const granted = await open(bearer(await node.tokens.issue('alice', { scope: 'orders:read' })));
    expect(await answer(granted, 'orders', 'orders')).toEqual([]);
  });

  test('a socket is warned before its token expires, then disconnected', async () => {
    const client = await open(bearer(pair));
    expect(await answer(client, 'whoami', 'you')).toBe('alice');
    node.clock.moved = LIFETIME - 20_000;
    const warning = (await client.next('token_expiring')) as { expires_in: number };
    expect(warning.expires_in).toBeGreaterThan(10);
    expect(warning.expires_in).toBeLessThanOrEqual(21);
    node.clock.moved = LIFETIME + TOLERANCE;
    expect(await client.next('exception')).toEqual(EXPIRED);
    expect(await client.closed).toBe(refused('invalid_token'));
    expect(client.has('token_expiring')).toBe(false);
    expect(node.sockets.size).toBe(0);
  });

  test('a warning comes once', async () => {
    const client = await open(bearer(pair));
    node.clock.moved = 15_000;
    const later = await open(bearer(await node.tokens.issue('bob')));
    await Promise.all([client, later].map((each) => answer(each, 'whoami', 'you')));
    node.clock.moved = LIFETIME - 20_000;
    await client.next('token_expiring');
    expect(later.has('token_expiring')).toBe(false);
    node.clock.moved = LIFETIME - 10_000;
    await later.next('token_expiring');
    expect(client.has('token_expiring')).toBe(false);
  });

  test('a message after expiry is refused, however soon', async () => {
    const client = await open(bearer(pair));
    expect(await answer(client, 'greet', 'greeting')).toBe('alice');
    node.clock.moved = LIFETIME + TOLERANCE;
    expect(await answer(client, 'greet', 'exception')).toEqual(EXPIRED);
    await client.closed;
  });

  test('a token within the clock tolerance of its expiry is still good', async () => {
    const client = await open(bearer(pair));
    await answer(client, 'whoami', 'you');
    node.clock.moved = LIFETIME + 1_000;
    expect(await client.next('token_expiring')).toEqual({ expires_in: 0 });
    expect(await answer(client, 'whoami', 'you')).toBe('alice');
  });

  test('a renewed socket outlives its first token', async () => {
    const client = await open(bearer(pair));
    await answer(client, 'whoami', 'you');
    node.clock.moved = LIFETIME - 20_000;
    await client.next('token_expiring');
    const { accessToken } = await node.tokens.rotate(pair.refreshToken);
    expect(await answer(client, 'renew', 'renewed', { access_token: accessToken })).toBe(true);
    node.clock.moved = LIFETIME + TOLERANCE;
    expect(await answer(client, 'whoami', 'you')).toBe('alice');
    node.clock.moved = 2 * LIFETIME - 45_000;
    await client.next('token_expiring');
  });

  test.each<[string, () => Promise<unknown>, object]>([
    ['of another user', async () => (await node.tokens.issue('mallory')).accessToken, MISMATCH],
    ['of another session', async () => (await node.tokens.issue('alice')).accessToken, MISMATCH],
    ['that is forged', async () => `${pair.accessToken.slice(0, -4)}AAAA`, INVALID],
    ['that is none', async () => ({ token: pair.accessToken }), MISSING],
    ['that is missing', async () => undefined, MISSING],
  ])('a token %s does not take over a socket', async (_, other, told) => {
    const client = await open(bearer(pair));
    await answer(client, 'whoami', 'you');
    expect(await answer(client, 'renew', 'exception', { access_token: await other() })).toEqual(told);
    expect(await answer(client, 'whoami', 'you')).toBe('alice');
  });

  test('to be accepted again does not take over a socket either', async () => {
    const client = await open(bearer(pair));
    await answer(client, 'whoami', 'you');
    const { accessToken } = await node.tokens.issue('mallory');
    expect(await answer(client, 'accept', 'exception', { access_token: accessToken })).toEqual(MISMATCH);
    expect(await answer(client, 'whoami', 'you')).toBe('alice');
  });

  test('a revocation disconnects the sockets of its session, and no other', async () => {
    const other = await open(bearer(await node.tokens.issue('alice')));
    const clients = await Promise.all([open(bearer(pair)), open(bearer(pair))]);
    for (const client of [...clients, other]) await answer(client, 'whoami', 'you');
    await node.tokens.revoke(pair.sid);
    expect(node.sockets.size).toBe(1);
    for (const client of clients) {
      expect(await client.next('exception')).toEqual(INVALID);
      expect(await client.closed).toBe(refused('invalid_token'));
    }
    expect(await answer(other, 'whoami', 'you')).toBe('alice');
  });

  describe('what an application throws meanwhile keeps no other socket open:', () => {
    let clients: SocketClient[];
    let listening: EventEmitter[];
    beforeEach(async () => {
      const accept = jest.spyOn(node.sockets, 'accept');
      clients = await Promise.all([1, 2, 3].map(() => open(bearer(pair))));
      for (const client of clients) await answer(client, 'whoami', 'you');
      listening = accept.mock.calls.map(([socket]) => socket as EventEmitter);
    });
    afterEach(async () => {
      for (const client of clients) expect(await client.closed).toBe(refused('invalid_token'));
      expect(node.sockets.size).toBe(0);
      expect(node.log.lines.splice(0).filter((line) => line.startsWith('error'))).toEqual([
        expect.stringMatching(/The application threw while 3 sockets .*of the application/),
      ]);
    });

    const failing = () => {
      throw new Error('of the application');
    };

    test.each<[string, () => void | Promise<void>]>([
      ['revocation', () => node.tokens.revoke(pair.sid).then(() => {})],
      ['expiry', () => void (node.clock.moved = LIFETIME + TOLERANCE)],
    ])('by its own way to tell, at %s', async (_, end) => {
      jest.spyOn(node.sockets as unknown as { tell(): void }, 'tell').mockImplementation(failing);
      await end();
    });

    if (adapter === 'ws') return;

    test.each<[string, string, () => void | Promise<void>]>([
      ['disconnect', 'revocation', () => node.tokens.revoke(pair.sid).then(() => {})],
      ['disconnect', 'expiry', () => void (node.clock.moved = LIFETIME + TOLERANCE)],
      ['disconnecting', 'revocation', () => node.tokens.revoke(pair.sid).then(() => {})],
    ])('by a listener to %s, at %s', async (event, _, end) => {
      for (const socket of listening) socket.once(event, failing);
      await end();
      await Promise.all(clients.map(({ closed }) => closed));
    });

    test('nor its own', async () => {
      const connections = listening.map((socket) => Reflect.get(socket, 'conn') as { readyState: string });
      for (const socket of listening) socket.once('disconnecting', failing);
      await node.tokens.revoke(pair.sid);
      for (const { readyState } of connections) expect(readyState).not.toBe('open');
    });
  });

  describe('when keys change,', () => {
    let client: SocketClient;
    let ring: KeyRing;
    let put: () => void;
    beforeEach(async () => {
      ring = node.get(KeyRing);
      const { keys, active } = ring;
      put = () => ring.replace(keys, active);
      client = await open(bearer(pair));
      await answer(client, 'whoami', 'you');
    });
    afterEach(() => put());

    test('a new one disconnects nobody', async () => {
      ring.replace([...ring.keys, anotherKey], ring.active);
      node.clock.moved = LIFETIME - 20_000;
      await client.next('token_expiring');
    });

    test.each<[string, () => void]>([
      ['that is gone', () => ring.replace([anotherKey])],
      ['that is another under the same name', () => ring.replace([{ ...anotherKey, kid: ring.active.kid }])],
      [
        'that serves another algorithm',
        () => ring.replace(ring.keys.map((key) => ({ ...key, algorithm: 'RS256' }))),
      ],
    ])('one %s disconnects the sockets whose tokens it signed', async (_, change) => {
      change();
      expect(await client.next('exception')).toEqual(INVALID);
      expect(await client.closed).toBe(refused('invalid_token'));
    });

    test('a socket may come back when none at all is known', async () => {
      ring.replace([]);
      expect(await client.next('exception')).toEqual(UNAVAILABLE);
      expect(await client.closed).toBe(mayRetry);
    });

    test('a token that is not good yet, by a clock put back, speaks for no other of its key', async () => {
      client.close();
      await until(() => node.sockets.size === 0);
      node.clock.moved = LIFETIME + 60_000;
      const early = await open(bearer(await node.tokens.issue('early')));
      await answer(early, 'whoami', 'you');
      node.clock.moved = 0;
      const other = await open(bearer(pair));
      await answer(other, 'whoami', 'you');
      put();
      node.clock.moved = LIFETIME - 20_000;
      await other.next('token_expiring');
      expect(node.sockets.size).toBe(2);
    });
  });

  describe('an outage met by message after message', () => {
    async function meet(code: AuthErrorCode): Promise<() => Promise<string[]>> {
      const client = await open(bearer(pair));
      await until(() => node.sockets.size === 1);
      jest.spyOn(node.get(AccessTokenVerifier), 'verifyNow').mockImplementation(() => {
        throw new UnavailableError(code, { cause: new Error('no route') });
      });
      return async () => {
        for (let message = 0; message < 3; message++) {
          expect(await answer(client, 'whoami', 'exception')).toEqual(UNAVAILABLE);
        }
        return node.log.lines.splice(0).filter((line) => line.includes(code));
      };
    }

    test('is an error in the log, once a minute', async () => {
      const again = await meet('ERR_STORE_UNAVAILABLE');
      expect((await again()).map((line) => line.split(' ')[0])).toEqual(['error', 'debug', 'debug']);
      node.clock.moved = 59_000;
      expect((await again()).map((line) => line.split(' ')[0])).toEqual(['debug', 'debug', 'debug']);
      node.clock.moved = 61_000;
      expect((await again()).map((line) => line.split(' ')[0])).toEqual(['error', 'debug', 'debug']);
    });

    test.each<[AuthErrorCode]>([['ERR_VERIFICATION_KEYS_UNAVAILABLE'], ['ERR_REFRESH_TOKEN_KEY_UNKNOWN']])(
      'is none where a stranger can cause it: %s',
      async (code) => {
        const again = await meet(code);
        expect((await again()).map((line) => line.split(' ')[0])).toEqual(['debug', 'debug', 'debug']);
      },
    );
  });

  describe('while the key of a token is waited for', () => {
    let finish: (error?: Error) => void;
    beforeEach(() => {
      const verifier = node.get(AccessTokenVerifier);
      const verify = verifier.verify.bind(verifier);
      jest.spyOn(verifier, 'verifyNow').mockReturnValueOnce(undefined);
      jest.spyOn(verifier, 'verify').mockImplementationOnce(async (token) => {
        await new Promise<void>((resolve, reject) => {
          finish = (error) => (error ? reject(error) : resolve());
        });
        return verify(token);
      });
    });

    test('messages pass', async () => {
      const client = await open(bearer(pair));
      expect(await answer(client, 'whoami', 'you')).toBe('alice');
      expect(node.sockets.size).toBe(0);
      finish();
      expect(await answer(client, 'whoami', 'you')).toBe('alice');
      expect(node.sockets.size).toBe(1);
    });

    test('another token is not taken', async () => {
      const client = await open(bearer(pair));
      await answer(client, 'whoami', 'you');
      const { accessToken } = await node.tokens.issue('mallory');
      expect(await answer(client, 'accept', 'exception', { access_token: accessToken })).toEqual(MISMATCH);
      finish();
      expect(await answer(client, 'whoami', 'you')).toBe('alice');
    });

    test('a socket that closes is not kept', async () => {
      const accept = jest.spyOn(node.sockets, 'accept');
      const client = await open(bearer(pair));
      await answer(client, 'whoami', 'you');
      client.close();
      await client.closed;
      await until(() => node.open() === 0);
      finish();
      expect(await accept.mock.results[0]!.value).toBeNull();
      expect(node.sockets.size).toBe(0);
    });

    test('a fault of any kind is an outage, not a bad token', async () => {
      const client = await open(bearer(pair));
      await answer(client, 'whoami', 'you');
      finish(new Error('no route to the keys'));
      expect(await client.next('exception')).toEqual(UNAVAILABLE);
      expect(await client.closed).toBe(mayRetry);
      expect(node.log.lines.filter((line) => line.includes('no route to the keys'))).toEqual([
        expect.stringMatching(/^debug .*ERR_VERIFICATION_KEYS_UNAVAILABLE/),
      ]);
    });
  });

  test('a thousand sockets that came and went leave nothing', async () => {
    const started = jest.spyOn(globalThis, 'setInterval');
    const stopped = jest.spyOn(globalThis, 'clearInterval');
    for (let round = 0; round < 10; round++) {
      const clients = await Promise.all(Array.from({ length: 100 }, () => open(bearer(pair))));
      for (const client of clients) expect(await answer(client, 'whoami', 'you')).toBe('alice');
      expect(node.sockets.size).toBe(100);
      for (const client of clients) client.close();
      await until(() => node.sockets.size === 0);
    }
    const timers = started.mock.results.map(({ value }) => value as NodeJS.Timeout);
    expect(timers).toHaveLength(10);
    expect(stopped.mock.calls.map(([timer]) => timer)).toEqual(timers);
    expect(timers.filter((timer) => timer.hasRef())).toEqual([]);
  });

  test('the guard may stand on the gateway alone', async () => {
    const other = await startNode({ adapter, guard: 'gateway', changes });
    const { accessToken } = await other.tokens.issue('bob');
    const client = await connect(adapter, other.port, { browserToken: accessToken });
    expect(await answer(client, 'whoami', 'you')).toBe('bob');
    const stranger = await connect(adapter, other.port, { query: 'stranger=1' });
    expect(await answer(stranger, 'whoami', 'exception')).toEqual(MISSING);
    client.close();
    await other.close();
    expect(other.log.errors()).toEqual([]);
    expect(other.sockets.size).toBe(0);
  });

  test('a socket that only listens ends when revocations grow stale, and may come back', async () => {
    const stale = await startNode({
      adapter,
      changes: { revocation: { pollInterval: '1m', maxStaleness: '90s' } },
    });
    const { accessToken } = await stale.tokens.issue('dave');
    const client = await connect(adapter, stale.port, { browserToken: accessToken });
    expect(await answer(client, 'whoami', 'you')).toBe('dave');
    stale.clock.moved = 100_000;
    expect(await client.next('exception')).toEqual(UNAVAILABLE);
    expect(await client.closed).toBe(mayRetry);
    expect(stale.log.errors()).toEqual([]);
  });

  test('a revocation on another node disconnects within the poll', async () => {
    const database = await createDatabase();
    endings.push(() => database.drop());
    const settings = { adapter, url: database.url, changes: { revocation: { pollInterval: 0.2 } } };
    const [here, there] = await Promise.all([startNode(settings), startNode(settings)]);
    const { accessToken, sid } = await here.tokens.issue('carol');
    const client = await connect(adapter, here.port, { browserToken: accessToken });
    expect(await answer(client, 'whoami', 'you')).toBe('carol');
    const revokedAt = performance.now();
    await there.tokens.revoke(sid);
    expect(await client.next('exception')).toEqual(INVALID);
    expect(await client.closed).toBe(refused('invalid_token'));
    expect(performance.now() - revokedAt).toBeLessThan(1200);
  });
});

describe('a client that goes on sending after goodbye', () => {
  const send = (socket: WebSocket, event: string) => socket.send(JSON.stringify({ event }));

  test.each<[string, (node: SocketNode, pair: TokenPair) => unknown]>([
    ['a revocation', (node, { sid }) => node.tokens.revoke(sid)],
    ['expiry', (node) => (node.clock.moved = LIFETIME + TOLERANCE)],
    ['its key is gone', (node) => node.get(KeyRing).replace([anotherKey])],
  ])('is nobody in a public handler: after %s', async (_, end) => {
    const node = await startNode({ adapter: 'ws', changes });
    const pair = await node.tokens.issue('alice');
    const socket = await openDeaf(node, pair.accessToken);
    for (const event of ['note', 'peek']) send(socket, event);
    await until(() => node.seen.length === 2);
    expect(node.seen).toEqual(['noted', 'alice']);
    await end(node, pair);
    await until(() => node.sockets.size === 0);
    for (const event of ['peek', 'note', 'peek']) send(socket, event);
    await until(() => node.seen.length === 4);
    expect(node.seen.slice(2)).toEqual(['stranger', 'stranger']);
  });

  test('is nobody either when what it was told has passed', async () => {
    const node = await startNode({ adapter: 'ws', changes });
    const { accessToken } = await node.tokens.issue('alice');
    const socket = await openDeaf(node, accessToken);
    send(socket, 'note');
    await until(() => node.seen.length === 1);
    node.clock.moved = 3_700_000;
    await until(() => node.sockets.size === 0);
    node.clock.moved = 0;
    for (const event of ['note', 'peek']) send(socket, event);
    await until(() => node.seen.length > 1);
    expect(node.seen).toEqual(['noted', 'stranger']);
  });
});

test('the subprotocol bearer names the token that follows, whatever else is offered', async () => {
  const node = await startNode({ adapter: 'ws' });
  const { accessToken } = await node.tokens.issue('alice');
  const passing = await connect('ws', node.port, { protocols: ['chat', 'bearer', accessToken] });
  passing.send('whoami');
  expect(await passing.next('you')).toBe('alice');
  for (const protocols of [['bearer'], [accessToken], [accessToken, 'bearer']]) {
    const refused = await connect('ws', node.port, { protocols });
    expect(await refused.next('exception')).toEqual(MISSING);
  }
});

test('what is no socket, and no duration, is a programming mistake', async () => {
  const node = await startNode({ adapter: 'ws' });
  await expect(node.sockets.accept({})).rejects.toThrow(TypeError);
  await expect(node.sockets.renew({}, 'x')).rejects.toThrow(TypeError);
  const socket = { readyState: 1, send: () => {}, close: () => {} };
  await expect(node.sockets.accept(socket, 'x', { warnBefore: 'soon' })).rejects.toThrow(/warnBefore/);
});

test('no rejection of any of this went unhandled', () => {
  expect(unhandled).toEqual([]);
});
