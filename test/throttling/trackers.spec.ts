import { Injectable, type ExecutionContext } from '@nestjs/common';
import { TokenThrottlerGuard } from 'nestjs-token-family/throttler';
import type { TokenPair } from 'nestjs-token-family';
import { refresh, send } from '../support/http.js';
import { generous, startThrottledNode, type ThrottledNode } from './throttled-node.js';

const ALL = ['address', 'subject', 'family'];
const HERE = ['address 127.0.0.1'];
const familyOf = ({ sid }: { sid: string }, address = '127.0.0.1') => `family ${sid} ${address}`;
const asCookie = (token: string) => ({
  'x-token-carrier': 'cookie',
  cookie: `__Host-refresh_token=${token}.${'k'.repeat(22)}`,
});
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

/** Of the right shape, with another tag. */
function forged(token: string): string {
  return token.slice(0, -1) + (token.endsWith('A') ? 'B' : 'A');
}

describe.each(['express', 'fastify'] as const)('on %s', (adapter) => {
  let node: ThrottledNode;
  let pair: TokenPair;
  beforeAll(async () => {
    node = await startThrottledNode({ adapter, throttlers: generous(...ALL), trustProxy: true });
  });
  afterAll(() => node?.close());
  beforeEach(async () => {
    pair = await node.tokens.issue('alice');
  });
  const counted = (path: string, sent: Parameters<typeof send>[1]) =>
    node.countedBy(() => send(`${node.url}${path}`, { method: 'POST', ...sent }));

  test.each<[where: string, path: string, sent: (token: string) => Parameters<typeof send>[1]]>([
    ['in JSON', '/auth/refresh', (token) => ({ json: { refresh_token: token } })],
    ['in a form', '/auth/refresh', (token) => ({ form: { refresh_token: token } })],
    ['in the cookie', '/auth/refresh', (token) => ({ headers: asCookie(token) })],
    ['at a logout', '/auth/logout', (token) => ({ json: { refresh_token: token } })],
    [
      'at the token endpoint',
      '/oauth/token',
      (token) => ({ form: { grant_type: 'refresh_token', refresh_token: token, client_id: 'default' } }),
    ],
    ['at the revocation endpoint', '/oauth/revoke', (token) => ({ form: { token, client_id: 'default' } })],
  ])(
    'a refresh token %s counts for its session at its address, and not for the address',
    async (_, path, sent) => {
      expect(await counted(path, sent(pair.refreshToken))).toEqual([familyOf(pair)]);
      expect(await counted(path, sent(forged(pair.refreshToken)))).toEqual(HERE);
    },
  );

  test('a refresh token at a login frees nobody from being counted, nor does one at any other route', async () => {
    const sent = { json: { username: 'bob', refresh_token: pair.refreshToken, token: pair.refreshToken } };
    expect(await counted('/login', sent)).toEqual([expect.stringMatching(/^subject /), ...HERE].toReversed());
    const form = { form: { refresh_token: pair.refreshToken, token: pair.refreshToken } };
    expect(await counted('/login', form)).toEqual(HERE);
    expect(await counted('/oauth/introspect', form)).toEqual(HERE);
    expect(await counted('/own/refresh', { json: { refresh_token: pair.refreshToken } })).toEqual([
      familyOf(pair),
    ]);
  });

  test('a refresh token counts for its session at each address by itself', async () => {
    const from = (ip: string) =>
      counted('/auth/refresh', {
        json: { refresh_token: pair.refreshToken },
        headers: { 'x-forwarded-for': ip },
      });
    expect(await from('192.0.2.7')).toEqual([familyOf(pair, '192.0.2.7')]);
    expect(await from('2001:db8::1')).toEqual([familyOf(pair, '2001:db8:0:0::/64')]);
    expect(await from('2001:db8::2')).toEqual([familyOf(pair, '2001:db8:0:0::/64')]);
  });

  test('an access token beside a refresh token counts for nobody', async () => {
    const sent = { json: { refresh_token: pair.refreshToken }, headers: bearer(pair.accessToken) };
    expect(await counted('/auth/refresh', sent)).toEqual([familyOf(pair)]);
    const garbage = { json: { refresh_token: 'x' }, headers: bearer(pair.accessToken) };
    expect((await counted('/auth/refresh', garbage)).toSorted()).toEqual([
      ...HERE,
      expect.stringMatching(/^subject /),
    ]);
  });

  test('every token of a session counts for it', async () => {
    const next = await node.tokens.rotate(pair.refreshToken);
    const both = await node.countedBy(async () => {
      await refresh(node, pair.refreshToken);
      await refresh(node, next.refreshToken);
    });
    expect(both).toEqual([familyOf(pair)]);
  });

  test('what is no token of ours counts for the address', async () => {
    const { refreshToken: token } = pair;
    const garbage: Parameters<typeof send>[1][] = [
      {},
      { json: {} },
      { json: [token] },
      { json: { refresh_token: [token] } },
      { json: { refresh_token: 1 } },
      { json: { refresh_token: { toString: token } } },
      { json: { refresh_token: token.slice(0, -4) } },
      { json: { refresh_token: 'x'.repeat(9000) } },
      { json: { refresh_token: pair.sid, sid: pair.sid } },
      { json: { token } },
      { form: `refresh_token=${token}&refresh_token=${token}` },
      { headers: { cookie: asCookie(token).cookie } },
      { headers: { ...asCookie(token), origin: 'https://evil.test' } },
      { headers: { ...asCookie(token), cookie: `${asCookie(token).cookie}; ${asCookie(token).cookie}` } },
      { headers: asCookie(token), json: { refresh_token: token } },
      { headers: { 'content-type': 'text/plain' }, json: { refresh_token: token } },
    ];
    for (const sent of garbage) expect([sent, await counted('/auth/refresh', sent)]).toEqual([sent, HERE]);
  });

  test('a hostile body is no fault of ours', async () => {
    const nested = `${'{"a":'.repeat(1000)}1${'}'.repeat(1000)}`;
    const bodies = ['{', '"text"', 'null', '[[[]]]', nested, '{"__proto__":{"refresh_token":"x"}}'];
    for (const body of bodies) {
      const headers = { 'content-type': 'application/json' };
      for (const path of ['/auth/refresh', '/login']) {
        const answer = await fetch(`${node.url}${path}`, { method: 'POST', headers, body });
        expect([body, path, answer.status >= 500]).toEqual([body, path, false]);
      }
    }
  });

  test('an access token counts for its subject once it is verified, and an unverified claim for nobody', async () => {
    const ask = (token: string) => node.countedBy(() => send(`${node.url}/me`, { headers: bearer(token) }));
    const [address, subject] = await ask(pair.accessToken);
    expect([address]).toEqual(HERE);
    expect(subject).toMatch(/^subject [\w-]{43}$/);
    const another = await node.tokens.issue('alice');
    expect(await ask(another.accessToken)).toEqual([address, subject]);
    const bob = await node.tokens.issue('bob');
    expect((await ask(bob.accessToken))[1]).not.toBe(subject);
    const [header, , signature] = pair.accessToken.split('.');
    const claim = Buffer.from(JSON.stringify({ sub: 'alice' })).toString('base64url');
    const none = Buffer.from('{"alg":"none","typ":"at+jwt"}').toString('base64url');
    for (const token of [`${header}.${claim}.${signature}`, `${none}.${claim}.`, 'x', '', '.', '..']) {
      expect([token, await ask(token)]).toEqual([token, HERE]);
    }
  });

  test('a login counts for the name it tries, in one spelling, whoever else it shows a token of', async () => {
    const login = (username: string, headers = {}) => counted('/login', { json: { username }, headers });
    const alice = await login('alice');
    expect(alice).toHaveLength(2);
    for (const spelling of ['ALICE', ' alice\t', 'ａｌｉｃｅ']) expect(await login(spelling)).toEqual(alice);
    expect(await login('alice', bearer((await node.tokens.issue('mallory')).accessToken))).toEqual(alice);
    expect(await login('bob')).not.toEqual(alice);
    // To be verified as somebody is another thing than to be tried as somebody.
    const verified = await node.countedBy(() =>
      send(`${node.url}/me`, { headers: bearer(pair.accessToken) }),
    );
    expect(verified[1]).not.toBe(alice[1]);
  });

  test.each(['/login?x', '/login/', '/LOGIN'])('%s is the login, or no route at all', async (path) => {
    const sent = { json: { username: 'alice' } };
    const usual = await counted('/login', sent);
    let status!: number;
    const keys = await node.countedBy(async () => ({ status } = await send(`${node.url}${path}`, sent)));
    expect([status, keys]).toEqual(adapter === 'express' || path === '/login?x' ? [200, usual] : [404, []]);
  });

  test('no key holds a token or a name', async () => {
    const keys = await node.countedBy(async () => {
      await refresh(node, pair.refreshToken);
      await refresh(node, forged(pair.refreshToken));
      await send(`${node.url}/auth/refresh`, { method: 'POST', headers: asCookie(pair.refreshToken) });
      await send(`${node.url}/login`, { json: { username: 'alice' } });
      await send(`${node.url}/me`, { headers: bearer(pair.accessToken) });
    });
    expect(keys).toHaveLength(4);
    expect(keys.filter((key) => /rt1_|eyJ|alice/.test(key))).toEqual([]);
  });

  test('the address is the one the framework trusts, whatever its spelling', async () => {
    const from = (ip: string) => counted('/login', { json: {}, headers: { 'x-forwarded-for': ip } });
    expect(await from('192.0.2.7')).toEqual(['address 192.0.2.7']);
    expect(await from('::ffff:192.0.2.7')).toEqual(['address 192.0.2.7']);
    expect(await from('2001:db8::1')).toEqual(['address 2001:db8:0:0::/64']);
    expect(await from('2001:db8::2')).toEqual(['address 2001:db8:0:0::/64']);
  });
});

describe.each(['express', 'fastify'] as const)('as it is configured, on %s', (adapter) => {
  let node: ThrottledNode | undefined;
  afterEach(() => node?.close());
  const start = async (settings: Omit<Parameters<typeof startThrottledNode>[0], 'adapter'>) => {
    node = await startThrottledNode({ adapter, ...settings });
    return node;
  };

  test('no forwarded header is read where the framework trusts none', async () => {
    const { url, countedBy } = await start({ throttlers: generous('address') });
    const headers = { 'x-forwarded-for': '192.0.2.7', 'x-real-ip': '192.0.2.7', forwarded: 'for=192.0.2.7' };
    expect(await countedBy(() => send(`${url}/login`, { json: {}, headers }))).toEqual(HERE);
  });

  test('a refresh that no throttler counts for its session counts for the address', async () => {
    const { url, tokens, countedBy } = await start({ throttlers: generous('address', 'subject') });
    const { refreshToken } = await tokens.issue('alice');
    expect(await countedBy(() => refresh({ url }, refreshToken))).toEqual(HERE);
  });

  test('nor is it lost where the throttler of sessions skips it', async () => {
    const [family] = generous('family');
    const skipping = { ...family!, ignoreUserAgents: [/./] };
    const { url, tokens, countedBy } = await start({ throttlers: [skipping, ...generous('address')] });
    const { refreshToken } = await tokens.issue('alice');
    expect(await countedBy(() => refresh({ url }, refreshToken))).toEqual(HERE);
  });

  test('the session is counted first, whatever the order and the times of the throttlers', async () => {
    const throttlers = [
      { name: 'address', ttl: 1000, limit: 100 },
      { name: 'family', ttl: 60_000, limit: 100 },
    ];
    const { url, tokens, countedBy } = await start({ throttlers });
    const { refreshToken, sid } = await tokens.issue('alice');
    expect(await countedBy(() => refresh({ url }, refreshToken))).toEqual([familyOf({ sid })]);
  });

  test('a throttler of another name is as in ThrottlerGuard, and so is one with a tracker of its own', async () => {
    const [address] = generous('address');
    const throttlers = [...generous('default', 'family'), { ...address!, getTracker: () => 'my own' }];
    const { url, tokens, countedBy } = await start({ throttlers });
    const { refreshToken, sid } = await tokens.issue('alice');
    expect((await countedBy(() => refresh({ url }, refreshToken))).toSorted()).toEqual([
      'address my own',
      'default 127.0.0.1',
      familyOf({ sid }),
    ]);
  });

  test('a tracker for all throttlers is for those of other names', async () => {
    const throttlers = generous('default', 'address');
    const { url, countedBy } = await start({ throttlers, throttling: { getTracker: () => 'my own' } });
    const keys = await countedBy(() => send(`${url}/login`, { json: {} }));
    expect(keys.toSorted()).toEqual([...HERE, 'default my own']);
  });

  test('a subclass with a constructor of its own needs that of ThrottlerGuard alone, and may call its members what it likes', async () => {
    const kept: unknown[] = [];
    @Injectable()
    class Own extends TokenThrottlerGuard {
      private readonly clock = 'my clock';
      private readonly codec = 'my codec';
      private readonly verifier = 'my verifier';
      private readonly verified = 'my verified';
      private readonly clients = 'my clients';

      constructor(...args: ConstructorParameters<typeof TokenThrottlerGuard>) {
        super(...args);
        this.headerPrefix = 'X-Own';
      }

      protected override async subjectOf(_: object, context: ExecutionContext): Promise<string> {
        kept.push(this.clock, this.codec, this.verifier, this.verified, this.clients);
        return context.getHandler().name;
      }
    }
    const { paramtypes, self } = {
      paramtypes: Reflect.getMetadata('design:paramtypes', TokenThrottlerGuard) as unknown,
      self: Reflect.getMetadata('self:paramtypes', TokenThrottlerGuard) as unknown,
    };
    Reflect.defineMetadata('design:paramtypes', paramtypes, Own);
    Reflect.defineMetadata('self:paramtypes', self, Own);
    const { url, countedBy } = await start({ throttlers: generous('address', 'subject'), guard: Own });
    let headers!: Headers;
    const keys = await countedBy(async () => ({ headers } = await send(`${url}/login`, { json: {} })));
    expect(keys.toSorted()).toEqual([...HERE, expect.stringMatching(/^subject [\w-]{43}$/)]);
    expect(headers.get('x-own-limit-address')).toBe('10000');
    expect(kept).toEqual(['my clock', 'my codec', 'my verifier', 'my verified', 'my clients']);
  });
});
