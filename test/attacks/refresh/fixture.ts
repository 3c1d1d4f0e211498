import { randomBytes } from 'node:crypto';
import { Body, Controller, Post } from '@nestjs/common';
import {
  Public,
  TokenResponse,
  TokenService,
  type TokenFamilyOptions,
  type TokenPair,
} from 'nestjs-token-family';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { me, send, type Answer } from '../../support/http.js';
import { options, startNode, type Adapter, type NodeSettings, type TestNode } from '../../support/node.js';

/** Id 3, 0b11: no flip of a single bit makes it the next id, which a newer deployment would know. */
const key = { id: 3, secret: randomBytes(32) };
export const BACKEND = { id: 'backend', secret: randomBytes(32).toString('base64url') };
export const REPORTS = { id: 'reports', secret: randomBytes(32).toString('base64url') };

/** The two ways to a refresh by body: our own route, and that of RFC 6749. */
export const DOORS = ['/auth/refresh', '/oauth/token'] as const;
export type Door = (typeof DOORS)[number];

/** An application's own login, which here believes everybody. */
@Controller('auth')
class LoginController {
  constructor(private readonly tokens: TokenService) {}

  @Public()
  @Post('login')
  @TokenResponse()
  login(@Body() { subject }: { subject: string }): Promise<TokenPair> {
    return this.tokens.issue(subject);
  }
}

export interface World {
  readonly adapter: Adapter;
  readonly database: TestDatabase;
  /** two nodes of one system */
  readonly nodes: readonly [TestNode, TestNode];
  /** a session of alice, new for each test, and another one of hers */
  readonly pair: TokenPair;
  readonly other: TokenPair;
}

/** Runs the rules on Express and on Fastify; after each of them alice's other session still refreshes. */
export function onBothRefreshing(
  rules: (world: World) => void,
  changes: Partial<TokenFamilyOptions> = {},
  more: Partial<NodeSettings> = {},
): void {
  describe.each(['express', 'fastify'] as const)('on %s', (adapter) => {
    const world = { adapter } as { -readonly [Each in keyof World]: World[Each] };
    beforeAll(async () => {
      world.database = await createDatabase();
      const settings = { adapter, url: world.database.url, controllers: [LoginController], ...more };
      const given = options({
        clients: [{ id: 'phone' }, BACKEND],
        resourceServers: [REPORTS],
        // No poll falls into a test that counts connections; nodes hear of revocations all the same.
        revocation: { pollInterval: '30s', maxStaleness: '1h' },
        ...changes,
        refreshToken: { keys: [key], ...changes.refreshToken },
      });
      const start = () => startNode({ ...settings, options: given });
      world.nodes = [await start(), await start()];
    });
    beforeEach(async () => {
      world.pair = await world.nodes[0].tokens.issue('alice');
      world.other = await world.nodes[0].tokens.issue('alice');
    });
    afterEach(async () => {
      expect((await present(world.nodes[0], '/auth/refresh', world.other.refreshToken)).status).toBe(200);
    });
    afterAll(async () => {
      for (const node of world.nodes ?? []) await node.close();
      await world.database?.drop();
    });
    rules(world);
  });
}

/** Presents a refresh token at one of the doors, in the body. */
export function present(
  node: TestNode,
  door: Door,
  token: string,
  { headers = {}, fields = {} }: { headers?: Record<string, string>; fields?: Record<string, string> } = {},
): Promise<Answer> {
  return door === '/auth/refresh'
    ? send(`${node.url}${door}`, { json: { refresh_token: token, ...fields }, headers })
    : send(`${node.url}${door}`, {
        form: { grant_type: 'refresh_token', client_id: 'default', refresh_token: token, ...fields },
        headers,
      });
}

export function byCookie(token: string, more: Record<string, string> = {}): Record<string, string> {
  return { 'x-token-carrier': 'cookie', cookie: `__Host-refresh_token=${token}`, ...more };
}

/** Everything the wire tells by a refusal that a cause could show in. */
export function refusalOf({ status, headers, body }: Answer): unknown {
  return [
    status,
    body,
    headers.get('cache-control'),
    headers.get('www-authenticate'),
    headers.get('set-cookie'),
  ];
}

export const INVALID_GRANT = [
  400,
  { error: 'invalid_grant', error_description: 'The grant is invalid, expired or revoked' },
  'no-store',
  null,
  null,
];

/** Status and wire word. */
export const told = ({ status, body }: Answer): string => `${status} ${String(body?.['error'])}`;

export interface Row {
  readonly generation: number;
  readonly revoked_at: Date | null;
}

export async function rowOf({ database }: World, sid: string): Promise<Row> {
  const [row] = await database.query<Row>('select * from refresh_token where family_id = $1', [sid]);
  return row!;
}

/** Whether nothing of the family was written while `work` ran, and its token still rotates. */
export async function expectUnspent<T>(world: World, work: () => Promise<T>): Promise<T> {
  const before = await rowOf(world, world.pair.sid);
  const result = await work();
  expect(await rowOf(world, world.pair.sid)).toEqual(before);
  const answer = await present(world.nodes[1], '/auth/refresh', world.pair.refreshToken);
  expect(answer.status).toBe(200);
  return result;
}

/** Nothing of the session is of use any more, on any node. */
export async function expectOver(
  { nodes }: World,
  refreshTokens: readonly string[],
  accessTokens: readonly string[] = [],
): Promise<void> {
  for (const node of nodes) {
    for (const token of refreshTokens)
      expect(refusalOf(await present(node, '/auth/refresh', token))).toEqual(INVALID_GRANT);
    for (const token of accessTokens) expect(await accepts(node, token)).toBe(false);
  }
}

/** What the node says of an access token, once what was just ended has been heard. */
async function accepts(node: TestNode, accessToken: string): Promise<boolean> {
  const end = Date.now() + 10_000;
  while (Date.now() < end) {
    const { status } = await me(node, accessToken);
    if (status !== 200) return status !== 401;
  }
  return true;
}
