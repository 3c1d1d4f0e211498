import type { TokenPair } from 'nestjs-token-family';
import { BACKEND, basic, basicOf, oauthOptions, REPORTS, WEB } from '../oauth/fixture.js';
import { send } from '../support/http.js';
import { generous, startThrottledNode, type ThrottledNode } from './throttled-node.js';

const HERE = ['address 127.0.0.1'];
const { clients, resourceServers } = oauthOptions;
const refreshing = { grant_type: 'refresh_token', refresh_token: 'x' };

interface Sent {
  readonly method?: string;
  readonly form?: Record<string, string> | string;
  readonly json?: object;
  readonly headers?: Record<string, string>;
}

describe.each(['express', 'fastify'] as const)('on %s', (adapter) => {
  let node: ThrottledNode;
  let pair: TokenPair;
  beforeAll(async () => {
    node = await startThrottledNode({
      adapter,
      throttlers: generous('family', 'subject', 'address'),
      changes: { clients, resourceServers },
    });
    pair = await node.tokens.issue('alice', { clientId: BACKEND.client_id });
  });
  afterAll(() => node?.close());

  /** What a request is counted by, and how it is answered. */
  async function asked(path: string, sent: Sent): Promise<[status: number, ...keys: string[]]> {
    let status!: number;
    const keys = await node.countedBy(async () => ({ status } = await send(`${node.url}${path}`, sent)));
    return [status, ...keys];
  }

  test.each<[who: string, path: string, sent: Sent, status: number]>([
    ['a resource server', '/auth/revocations', { headers: basicOf(REPORTS) }, 200],
    ['a resource server', '/oauth/introspect', { form: { token: 'x' }, headers: basicOf(REPORTS) }, 200],
    ['a resource server, in the body,', '/oauth/introspect', { form: { token: 'x', ...REPORTS } }, 200],
    ['a confidential client', '/oauth/introspect', { form: { token: 'x' }, headers: basicOf(BACKEND) }, 200],
    ['a confidential client', '/oauth/token', { form: refreshing, headers: basicOf(BACKEND) }, 400],
    ['a confidential client, in the body,', '/oauth/token', { form: { ...refreshing, ...BACKEND } }, 400],
    ['a confidential client', '/oauth/revoke', { form: { token: 'x' }, headers: basicOf(BACKEND) }, 200],
  ])('%s at %s that proves its secret is not counted', async (_, path, sent, status) => {
    expect(await asked(path, sent)).toEqual([status]);
  });

  test('a confidential client counts for the session it refreshes', async () => {
    const form = { ...refreshing, refresh_token: pair.refreshToken };
    const keys = [`family ${pair.sid} 127.0.0.1`];
    expect(await asked('/oauth/token', { form, headers: basicOf(BACKEND) })).toEqual([200, ...keys]);
  });

  test.each<[how: string, sent: Sent]>([
    ['by another secret', { headers: basic(REPORTS.client_id, BACKEND.client_secret) }],
    ['without its secret', { headers: basic(REPORTS.client_id, '') }],
    ['by an unknown name', { headers: basic('nobody', REPORTS.client_secret) }],
    ['by another scheme', { headers: { authorization: `Bearer ${REPORTS.client_secret}` } }],
    ['in two ways', { form: { ...BACKEND }, headers: basicOf(REPORTS) }],
    ['by a secret sent twice', { form: `${String(new URLSearchParams(REPORTS))}&client_secret=x` }],
    ['by a name alone', { form: WEB }],
    ['in JSON', { json: REPORTS }],
    ['not at all', {}],
  ])('who tries to prove it %s counts for the address', async (_, sent) => {
    for (const path of ['/oauth/introspect', '/oauth/token', '/oauth/revoke']) {
      const [status, ...keys] = await asked(path, { method: 'POST', ...sent });
      expect([path, keys, status >= 400]).toEqual([path, HERE, true]);
    }
  });

  test('who asks for the feed without proof counts for the address', async () => {
    const wrong = [{}, basic(REPORTS.client_id, BACKEND.client_secret), basic('nobody', '')];
    for (const headers of wrong) {
      expect(await asked('/auth/revocations', { headers })).toEqual([401, ...HERE]);
    }
  });

  test('a secret frees nobody where no service is asked for one', async () => {
    const headers = basicOf(REPORTS);
    expect(await asked('/login', { json: { username: 'bob', ...REPORTS }, headers })).toEqual([
      200,
      expect.stringMatching(/^subject /),
      ...HERE,
    ]);
    expect(await asked('/me', { headers })).toEqual([401, ...HERE]);
    expect(await asked('/auth/refresh', { json: { refresh_token: 'x' }, headers })).toEqual([401, ...HERE]);
  });
});
