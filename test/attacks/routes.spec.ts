import { RevocationCheck } from '../../libs/auth/src/core/revocation-ports.js';
import { send } from '../support/http.js';
import { byTitle, title } from './forge.js';
import { contextOf, get, onBoth, startNode, withNodes } from './target.js';
import {
  expectAccepted,
  expectControl,
  expectRefusals,
  INVALID,
  MALFORMED,
  NO_CREDENTIALS,
  NO_SCOPE,
  TOO_OLD,
  verdictOf,
  type Verdict,
} from './verdicts.js';
import { ask, bearer, type RawRequest } from './wire.js';

onBoth((node, adapter) => {
  test('A43 a route that demands a scope is shut to a token that does not grant that very word', async () => {
    const granting = (scope?: string) => node.forge.token({ claims: { scope } });
    const scopes = [
      undefined,
      '',
      ' ',
      'administrator',
      'admi',
      'superadmin',
      'admin:read',
      'ADMIN',
      'admin,read',
      'read\tadmin',
      '"admin"',
      'аdmin',
      'admin\u200b',
    ];
    const requests = byTitle(
      scopes.map((scope) => [title(scope), { path: '/admin', headers: [bearer(granting(scope))] }]),
    );
    await expectRefusals(node, requests, NO_SCOPE);
    expect(NO_SCOPE.challenge).toContain('error="insufficient_scope"');
    expect(NO_SCOPE.challenge).toContain('scope="admin"');
    for (const scope of ['admin', 'read admin', 'admin read', 'a  admin']) {
      expect((await get(node, granting(scope), '/admin')).status).toBe(200);
    }
    await expectRefusals(node, { 'no token': { path: '/admin' } }, NO_CREDENTIALS);
    await expectRefusals(node, { 'a bad one': { path: '/admin', headers: [bearer('x.y.z')] } }, INVALID);
  });

  test('a route that wants a recent login tells the client how recent, RFC 9470', async () => {
    const login = (auth_time: number | undefined) => node.forge.token({ claims: { auth_time } });
    const seconds = Math.floor(Date.now() / 1000);
    const old = {
      'an hour ago': login(seconds - 3600),
      'at the epoch': login(0),
      'never told': login(undefined),
    };
    const requests = byTitle(
      Object.entries(old).map(([age, token]) => [age, { path: '/fresh', headers: [bearer(token)] }]),
    );
    await expectRefusals(node, requests, TOO_OLD);
    expect((await get(node, login(seconds - 290), '/fresh')).status).toBe(200);
    await expectAccepted(node, old);
  });

  test('a route with an optional token takes none or a good one, and an open route looks at none', async () => {
    const user = async (path: string, request: RawRequest = {}) => {
      const { status, body } = await ask(node.url, { ...request, path });
      return [status, (JSON.parse(body) as { user: { sub: string } | null }).user?.sub];
    };
    const good = { headers: [bearer(node.forge.token())] };
    const bad = { headers: [bearer('x.y.z')] };
    expect(await user('/optional')).toEqual([200, undefined]);
    expect(await user('/optional', good)).toEqual([200, 'alice']);
    expect(await user('/public', good)).toEqual([200, undefined]);
    expect(await user('/public', bad)).toEqual([200, undefined]);
    expect(await user('/strict', good)).toEqual([200, 'alice']);
    await expectRefusals(node, { bad: { ...bad, path: '/optional' } }, INVALID);
    await expectRefusals(
      node,
      { malformed: { headers: [['Authorization', 'Bearer']], path: '/optional' } },
      MALFORMED,
    );
    await expectRefusals(node, { strict: { ...bad, path: '/strict' } }, INVALID);
  });

  test('A46 a method gets the verdict of GET, and one that has no handler reaches none', async () => {
    const bad = [bearer(node.forge.token({ signer: () => Buffer.alloc(64, 1) }))];
    const silent = (verdict: Verdict) => ({ ...verdict, body: '' });
    for (const [headers, verdict] of [
      [[], NO_CREDENTIALS],
      [bad, INVALID],
    ] as const) {
      expect(verdictOf(await ask(node.url, { method: 'HEAD', headers }))).toEqual(silent(verdict));
    }
    expect((await ask(node.url, { method: 'HEAD', headers: [bearer(node.control)] })).status).toBe(200);
    const overrides = ['X-HTTP-Method-Override', 'X-HTTP-Method', 'X-Method-Override'].flatMap((name) =>
      ['OPTIONS', 'HEAD', 'TRACE'].map((value): [string, RawRequest] => [
        name + value,
        { headers: [[name, value]] },
      ]),
    );
    await expectRefusals(
      node,
      {
        ...byTitle(overrides),
        'in the query': { path: '/me?_method=OPTIONS' },
        POST: { method: 'POST' },
        'POST that says it is OPTIONS': { method: 'POST', headers: [['X-HTTP-Method-Override', 'OPTIONS']] },
        'a preflight that is none': {
          headers: [
            ['Access-Control-Request-Method', 'GET'],
            ['Origin', 'https://evil.test'],
          ],
        },
      },
      NO_CREDENTIALS,
    );
    const before = node.visits.count;
    for (const method of ['OPTIONS', 'PUT', 'DELETE', 'PATCH', 'TRACE', 'PROPFIND']) {
      for (const headers of [[], bad]) {
        const { body } = await ask(node.url, { method, headers });
        expect(body).not.toContain('"user"');
      }
    }
    expect(node.visits.count).toBe(before);
  });

  test('A46 another spelling of a path is the same door or none', async () => {
    const paths = [
      '/me/',
      '//me',
      '/me//',
      '/%6de',
      '/%6D%65',
      '/ME',
      '/Me',
      '/./me',
      '/public/../me',
      '/%2e/me',
      '/public/%2e%2e/me',
    ];
    const odd = [
      '/me%20',
      '/me%00',
      '/me;a=b',
      '/me?',
      '/me?a=b',
      '/me#a',
      '/me%2f',
      '\\me',
      '/%5cme',
      '/me.json',
      'http://api.test/me',
      '*',
    ];
    const bad = [bearer(node.forge.token({ signer: () => Buffer.alloc(64, 1) }))];
    const doors: Record<string, number> = {};
    for (const path of [...paths, ...odd]) {
      const before = node.visits.count;
      const none = await ask(node.url, { path });
      const forged = await ask(node.url, { path, headers: bad });
      const visits = [node.visits.count - before];
      const good = await ask(node.url, { path, headers: [bearer(node.control)] });
      visits.push(node.visits.count - before);
      const isDoor = good.status === 200;
      doors[path] = good.status;
      expect([
        path,
        ...(isDoor ? [verdictOf(none), verdictOf(forged)] : [none.status, forged.status]),
      ]).toEqual([path, ...(isDoor ? [NO_CREDENTIALS, INVALID] : [good.status, good.status])]);
      expect([path, visits]).toEqual([path, [0, isDoor ? 1 : 0]]);
      expect([200, 400, 404]).toContain(good.status);
    }
    // Otherwise this test would have looked at nothing.
    expect(doors).toMatchObject({ '/me?a=b': 200, '/public/../me': 404, '/me.json': 404 });
    expect([doors['/ME'], doors['/%6de']]).toEqual(adapter === 'express' ? [200, 404] : [404, 200]);
    await expectControl(node);
  });
});

test.each(['express', 'fastify'] as const)(
  'A41 a strict route asks where sessions are kept, whatever this node has heard, on %s',
  async (adapter) => {
    const deaf = { isRevoked: () => false, learn: () => {}, knows: () => false, onRevoked: () => () => {} };
    await withNodes([startNode(adapter, { replace: [[RevocationCheck, deaf]] })], async (node) => {
      const { sid, accessToken } = await node.tokens.issue('alice');
      expect((await get(node, accessToken, '/strict')).status).toBe(200);
      await node.tokens.revoke(sid);
      expect((await get(node, accessToken)).status).toBe(200);
      await expectRefusals(node, { strict: { path: '/strict', headers: [bearer(accessToken)] } }, INVALID);
    });
  },
);

describe('what the guard does not understand', () => {
  test('A45 a context of a kind it does not know is refused, token or not', async () => {
    await withNodes([startNode('express')], async (node) => {
      const request = { headers: { authorization: `Bearer ${node.control}` }, url: '/me', method: 'GET' };
      for (const [type, args] of [
        ['carrier-pigeon', [request]],
        ['graphql', [{}, {}, {}, {}]],
        ['graphql', [{}, {}, undefined, {}]],
        ['', [request]],
      ] as const) {
        const outcome = async () => node.guard.canActivate(contextOf(type, args));
        await expect(outcome()).rejects.toMatchObject({
          status: 401,
          reason: { code: 'ERR_CONTEXT_UNKNOWN' },
        });
      }
    });
  });

  test.each(['express', 'fastify'] as const)(
    'an error nobody foresaw lets nobody in, on %s',
    async (adapter) => {
      const broken = {
        isRevoked: () => {
          throw new Error('a bug');
        },
        learn: () => {},
        knows: () => false,
        onRevoked: () => () => {},
      };
      await withNodes([startNode(adapter, { replace: [[RevocationCheck, broken]] })], async (node) => {
        const answer = await send(`${node.url}/me`, { headers: { authorization: `Bearer ${node.control}` } });
        expect([answer.status, answer.body['message']]).toEqual([500, 'Internal server error']);
        expect(node.visits.count).toBe(0);
      });
    },
  );
});
