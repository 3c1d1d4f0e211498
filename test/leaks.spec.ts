import { randomUUID } from 'node:crypto';
import { TokenEvents, UnavailableError, type ClaimsProvider, type TokenPair } from 'nestjs-token-family';
import { dump, Listener, Secrets } from './leaks/collect.js';
import { forge } from './model/forge.js';
import { createDatabase, type TestDatabase } from './support/database.js';
import { send, type Answer } from './support/http.js';
import {
  options,
  refreshTokenKey,
  signingKey,
  startNode,
  type Adapter,
  type TestNode,
} from './support/node.js';

const PAST_LEEWAY = 60;
const DAY = 86_400;
const MEMBER: ClaimsProvider = () => ({ role: 'member' });

describe.each(['express', 'fastify'] as const)(
  'After logins, refreshes, theft and errors of every kind on %s',
  (adapter) => {
    const secrets = new Secrets();
    let database: TestDatabase;
    let listener: Listener;
    let node: TestNode;
    let claims: ClaimsProvider = MEMBER;

    beforeAll(async () => {
      database = await createDatabase();
      listener = new Listener();
      node = await start(adapter);
      secrets.bytes('a key secret', refreshTokenKey.secret);
      secrets.text('the private signing key', signingKey.export({ format: 'jwk' }).d!);
      try {
        await honestUse();
        await theft();
        await errors();
        await outage();
      } finally {
        await node.close();
        listener.stop();
      }
    });

    afterAll(() => database.drop());

    async function start(on: Adapter): Promise<TestNode> {
      const settings = options({ clients: [{ id: 'another' }], claims: (request) => claims(request) });
      const started = await startNode({
        url: database.url,
        adapter: on,
        logger: listener.logger,
        options: settings,
      });
      started.get(TokenEvents).on('reused', () => {
        throw new Error('a listener of the application fails');
      });
      return started;
    }

    async function issue(): Promise<TokenPair> {
      const pair = await node.tokens.issue('alice', {
        device: { name: 'phone' },
        claims: { tenant: 'acme' },
      });
      secrets.refreshToken(pair.refreshToken);
      secrets.accessToken(pair.accessToken);
      return pair;
    }

    async function call(
      expected: number,
      path: string,
      sent: Parameters<typeof send>[1] = {},
    ): Promise<Answer> {
      const answer = await send(`${node.url}${path}`, sent);
      expect({ path, status: answer.status }).toEqual({ path, status: expected });
      secrets.answer(answer);
      return answer;
    }

    function refresh(expected: number, token: unknown, key?: string, more: object = {}): Promise<Answer> {
      if (key !== undefined) secrets.key('an Idempotency-Key', key);
      const headers: Record<string, string> = key === undefined ? {} : { 'idempotency-key': key };
      return call(expected, '/auth/refresh', { json: { refresh_token: token, ...more }, headers });
    }

    function refreshByCookie(expected: number, cookie: string): Promise<Answer> {
      const headers = { 'x-token-carrier': 'cookie', cookie };
      return call(expected, '/auth/refresh', { method: 'POST', headers });
    }

    async function honestUse(): Promise<void> {
      const pair = await issue();
      const key = randomUUID();
      const first = await refresh(200, pair.refreshToken, key);
      await refresh(200, pair.refreshToken, key);
      await refresh(200, first.body['refresh_token']);
      await database.passTime(PAST_LEEWAY);
      await refresh(200, pair.refreshToken, key);
      const byCookie = await refreshByCookie(
        200,
        `__Host-refresh_token=${first.body['refresh_token'] as string}`,
      );
      await refreshByCookie(200, byCookie.headers.get('set-cookie')!.split(';')[0]!);
      const bearer = { authorization: `Bearer ${pair.accessToken}` };
      await call(200, '/auth/sessions', { headers: bearer });
      await call(200, '/me', { headers: bearer });
      await call(204, '/auth/sessions', { method: 'DELETE', headers: bearer });
      await call(204, '/auth/logout', { json: { refresh_token: pair.refreshToken } });
      const source = await database.connect({ logging: true });
      await source.transaction(async (manager) => {
        const { refreshToken, accessToken } = await node.tokens.issue('carol', { manager });
        secrets.refreshToken(refreshToken);
        secrets.accessToken(accessToken);
      });
    }

    async function theft(): Promise<void> {
      const { refreshToken } = await issue();
      const second = (await refresh(200, refreshToken, randomUUID())).body['refresh_token'] as string;
      await refresh(400, forge(second, { root: true }));
      await refresh(400, forge(second, { tag: true }));
      await refresh(400, forge(second, { ahead: 100 }));
      await database.passTime(PAST_LEEWAY);
      await refresh(400, refreshToken, randomUUID());
      await refreshByCookie(400, `__Host-refresh_token=${second}.${randomUUID()}`);
    }

    async function errors(): Promise<void> {
      const { refreshToken, accessToken } = await issue();
      const key = randomUUID();
      await refresh(400, undefined);
      await refresh(400, 'no token');
      await refresh(400, [refreshToken]);
      await refresh(400, refreshToken, 'short');
      await refresh(400, refreshToken, undefined, { client_id: 'another' });
      await refresh(409, refreshToken, undefined, { sid: randomUUID() });
      const truncated = {
        method: 'POST',
        form: `{"refresh_token":"${refreshToken}`,
        headers: { 'content-type': 'application/json' },
      };
      await call(400, '/auth/refresh', truncated);
      await call(400, '/auth/refresh', {
        json: { refresh_token: refreshToken },
        headers: { 'x-token-carrier': 'cookie', cookie: `__Host-refresh_token=${refreshToken}` },
      });
      await call(401, '/me', { headers: { authorization: `Bearer ${accessToken}x` } });
      await call(401, '/me');
      const next = (await refresh(200, refreshToken, key)).body['refresh_token'];
      await database.passTime(PAST_LEEWAY);
      await refresh(422, next, key);
      claims = () => Promise.reject(new Error('the directory is down'));
      await refresh(503, next, randomUUID());
      await database.passTime(8 * DAY);
      await refresh(400, next, randomUUID());
      await database.passTime(30 * DAY);
      await refresh(400, next, randomUUID());
      claims = () => null;
      await refresh(400, (await forLogin(issue)).refreshToken, randomUUID());
    }

    /** A provider that refuses everybody lets nobody log in either. */
    async function forLogin<T>(work: () => Promise<T>): Promise<T> {
      const asked = claims;
      claims = MEMBER;
      const result = await work();
      claims = asked;
      return result;
    }

    /** Errors of PostgreSQL, which repeat what they are about: a row in DETAIL, a statement in its context. */
    async function outage(): Promise<void> {
      const { refreshToken } = await forLogin(issue);
      claims = MEMBER;
      await database.query(`alter table refresh_token add constraint stop check (generation = 0) not valid`);
      await refresh(503, refreshToken, randomUUID());
      await database.query(`alter table refresh_token drop constraint stop`);
      await database.query('alter table refresh_token rename to gone');
      await refresh(503, refreshToken, randomUUID());
      await expect(node.tokens.issue('alice')).rejects.toThrow(UnavailableError);
      await database.query('alter table gone rename to refresh_token');
      await refresh(200, refreshToken, randomUUID());
    }

    it('the database holds no token, no root, no step, no Idempotency-Key and no key secret', async () => {
      const everything = await dump(database);
      expect(everything).toContain('acme');
      expect(everything).toContain('"name": "phone"');
      expect(secrets.foundIn(everything)).toEqual([]);
    });

    it('no log of any level, no line of the console and no event holds one', () => {
      const said = [...listener.said, ...node.events.map((event) => JSON.stringify(event))].join('\n');
      for (const word of [
        'ERR_REFRESH_TOKEN_REUSED',
        'ERR_CLAIMS_UNAVAILABLE',
        'ERR_STORE_UNAVAILABLE',
        'INSERT',
        '"forged"',
      ]) {
        expect(said.toUpperCase()).toContain(word.toUpperCase());
      }
      expect(secrets.foundIn(said)).toEqual([]);
    });

    it('the search would have found them', async () => {
      const sql = `select encode(step_hash, 'hex') as hash from refresh_token limit 1`;
      const [row] = await database.query<{ hash: string }>(sql);
      const kept = new Secrets();
      kept.text('what is kept, in hex', row!.hash);
      kept.text('what is kept, in base64', Buffer.from(row!.hash, 'hex').toString('base64'));
      expect(kept.foundIn(await dump(database))).toEqual(['what is kept, in hex', 'what is kept, in base64']);
      expect(secrets.size).toBeGreaterThan(100);
    });
  },
);
