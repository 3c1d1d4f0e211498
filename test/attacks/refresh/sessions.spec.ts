import { randomBytes } from 'node:crypto';
import { send } from '../../support/http.js';
import {
  BACKEND,
  byCookie,
  expectOver,
  expectUnspent,
  onBothRefreshing,
  present,
  REPORTS,
  rowOf,
  told,
} from './fixture.js';

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const basic = ({ id, secret }: { id: string; secret: string }) => ({
  authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`,
});

onBothRefreshing((world) => {
  const url = (path: string) => `${world.nodes[0].url}${path}`;
  const end = (sid: string, token: string, headers: Record<string, string> = {}) =>
    send(url(`/auth/sessions/${sid}`), { method: 'DELETE', headers: { ...bearer(token), ...headers } });
  const revoke = (form: Record<string, string>, headers: Record<string, string> = {}) =>
    send(url('/oauth/revoke'), { form, headers });
  const introspect = (token: string, headers: Record<string, string> = {}) =>
    send(url('/oauth/introspect'), { form: { token }, headers });

  test('S1 another’s session is as unknown as one that never was, and lives on', async () => {
    const mallory = await world.nodes[0].tokens.issue('mallory');
    const answers = await expectUnspent(world, () =>
      Promise.all(
        [world.pair.sid, '0190b5a0-0000-7000-8000-000000000000', 'me', '%00'].map((sid) =>
          end(sid, mallory.accessToken),
        ),
      ),
    );
    expect(new Set(answers.map(({ status, body }) => `${status} ${JSON.stringify(body)}`)).size).toBe(1);
    expect(answers[0]!.status).toBe(404);
  });

  test('S2 a session that is over lists nothing and ends nothing', async () => {
    await world.nodes[0].tokens.revoke(world.pair.sid);
    const headers = bearer(world.pair.accessToken);
    const answers = [
      await send(url('/auth/sessions'), { headers }),
      await end(world.other.sid, world.pair.accessToken),
      await send(url('/auth/sessions'), { method: 'DELETE', headers }),
    ];
    expect(answers.map(told)).toEqual(answers.map(() => '401 invalid_token'));
    expect((await rowOf(world, world.other.sid)).revoked_at).toBeNull();
  });

  test('S3 the neighbours of a session’s id lead nowhere, and 62 bits of it are random', async () => {
    const mallory = await world.nodes[0].tokens.issue('mallory');
    const value = BigInt(`0x${world.pair.sid.replaceAll('-', '')}`);
    const asId = (n: bigint) =>
      n
        .toString(16)
        .padStart(32, '0')
        .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
    await expectUnspent(world, async () => {
      for (const near of [1n, -1n, 2n ** 64n, 2n ** 80n])
        expect((await end(asId(value + near), mallory.accessToken)).status).toBe(404);
    });
    const pairs = await Promise.all(Array.from({ length: 50 }, () => world.nodes[0].tokens.issue('many')));
    expect(new Set(pairs.map(({ sid }) => sid.slice(19))).size).toBe(50);
  });

  test('S4 who ends the session it is in is logged out, by cookie as well', async () => {
    const answer = await end(world.pair.sid, world.pair.accessToken, byCookie(world.pair.refreshToken));
    expect(answer.status).toBe(204);
    expect(answer.headers.get('set-cookie')).toContain('__Host-refresh_token=; Max-Age=0');
    await expectOver(world, [world.pair.refreshToken], [world.pair.accessToken]);
  });

  test('S4 who ends all of its sessions is logged out, by cookie as well', async () => {
    const carol = await world.nodes[0].tokens.issue('carol');
    const headers = { ...bearer(carol.accessToken), ...byCookie(carol.refreshToken) };
    const all = (query: string) => send(url(`/auth/sessions${query}`), { method: 'DELETE', headers });
    expect((await all('')).headers.get('set-cookie')).toBeNull();
    expect((await all('?include=current')).headers.get('set-cookie')).toContain('Max-Age=0');
  });

  test.each([
    ['of another session', () => byCookie(world.other.refreshToken)],
    ['that is none of ours', () => byCookie('rt1_x')],
    [
      'that a sibling has tossed beside ours',
      () => byCookie(`${world.pair.refreshToken}; __Host-refresh_token=x`),
    ],
    [
      'of a page that may not use it',
      () => byCookie(world.pair.refreshToken, { origin: 'https://attacker.example' }),
    ],
  ])('S4 a cookie %s hinders no end of a session, and stays where it is', async (_, headers) => {
    const answer = await end(world.pair.sid, world.pair.accessToken, headers());
    expect([answer.status, answer.headers.get('set-cookie')]).toEqual([204, null]);
  });

  test('S4 who ends another of its sessions keeps its cookie', async () => {
    const third = await world.nodes[0].tokens.issue('alice');
    const answer = await end(third.sid, world.pair.accessToken, byCookie(world.pair.refreshToken));
    expect([answer.status, answer.headers.get('set-cookie')]).toEqual([204, null]);
  });

  test('S5 what a request says of users, families, ends and roles is passed over', async () => {
    const extra = {
      userId: 'root',
      sub: 'root',
      subject: 'root',
      familyId: world.other.sid,
      expiresAt: '2099-01-01',
      expires_at: '4070908800',
      role: 'admin',
      generation: '7',
      'claims[role]': 'admin',
    };
    const query = new URLSearchParams(extra).toString();
    const form = { grant_type: 'refresh_token', client_id: 'default', ...extra };
    for (const path of ['/auth/refresh', '/oauth/token']) {
      const pair = await world.nodes[0].tokens.issue('alice');
      const answer = await send(url(`${path}?${query}`), {
        form: { ...form, refresh_token: pair.refreshToken },
      });
      expect([answer.status, answer.body['sid']]).toEqual([200, pair.sid]);
      const claims = JSON.parse(
        Buffer.from(String(answer.body['access_token']).split('.')[1]!, 'base64url').toString(),
      ) as Record<string, unknown>;
      expect(claims).toMatchObject({ sub: 'alice', sid: pair.sid });
      expect(claims).not.toHaveProperty('role');
    }
    const list = await send(url(`/auth/sessions?${query}`), { headers: bearer(world.pair.accessToken) });
    const sids = (list.body as unknown as { sid: string }[]).map(({ sid }) => sid);
    expect(sids).toContain(world.pair.sid);
    expect(list.status).toBe(200);
  });

  test.each<
    [
      title: string,
      form: (sent: { mine: string; foreign: string }) => Record<string, string>,
      expected: string,
    ]
  >([
    ['an unknown token', () => ({ token: randomBytes(32).toString('base64url') }), '200'],
    ['a token of another client, for a public one', ({ foreign }) => ({ token: foreign }), '200'],
    ['no token', () => ({}), '400 invalid_request'],
    ['an empty token', () => ({ token: '' }), '400 invalid_request'],
    ['a wrong hint', ({ mine }) => ({ token: mine, token_type_hint: 'access_token' }), '200 ended'],
    ['a hint nobody knows', ({ mine }) => ({ token: mine, token_type_hint: 'pct' }), '200 ended'],
  ])('S6 revocation of %s', async (_, form, expected) => {
    const foreign = await world.nodes[0].tokens.issue('bob', { clientId: 'phone' });
    const answer = await revoke({
      client_id: 'default',
      ...form({ mine: world.pair.refreshToken, foreign: foreign.refreshToken }),
    });
    const { revoked_at } = await rowOf(world, world.pair.sid);
    const outcome = answer.status === 200 ? `200${revoked_at ? ' ended' : ''}` : told(answer);
    expect(outcome).toBe(expected);
    expect((await rowOf(world, foreign.sid)).revoked_at).toBeNull();
  });

  test('S6 a confidential client is told that a token is another’s, which lives on', async () => {
    const answer = await revoke({ token: world.pair.refreshToken }, basic(BACKEND));
    expect(told(answer)).toBe('400 invalid_grant');
    expect((await rowOf(world, world.pair.sid)).revoked_at).toBeNull();
  });

  test('S7 a refresh token that is revoked takes its family and its access tokens along, on every node', async () => {
    const first = await present(world.nodes[0], '/oauth/token', world.pair.refreshToken);
    expect((await revoke({ token: world.pair.refreshToken, client_id: 'default' })).status).toBe(200);
    await expectOver(
      world,
      [world.pair.refreshToken, String(first.body['refresh_token'])],
      [world.pair.accessToken, String(first.body['access_token'])],
    );
  });

  test.each<[title: string, headers: Record<string, string>]>([
    ['nobody', {}],
    ['a public client', basic({ id: 'default', secret: '' })],
    ['a wrong secret', basic({ ...REPORTS, secret: BACKEND.secret })],
    ['an access token', { authorization: 'Bearer x' }],
  ])('S8 introspection by %s is an invalid client, told how to authenticate', async (_, headers) => {
    const answer = await introspect(world.pair.accessToken, headers);
    expect([told(answer), answer.headers.get('www-authenticate')]).toEqual([
      '401 invalid_client',
      expect.stringMatching(/^Basic /),
    ]);
  });

  test('S9 a token that is over, garbage or another client’s is inactive, and nothing more is said', async () => {
    const [ended, past] = [
      await world.nodes[0].tokens.issue('alice'),
      await world.nodes[0].tokens.issue('alice'),
    ];
    await world.nodes[0].tokens.revoke(ended.sid);
    await world.database.query(
      'update refresh_token set expires_at = clock_timestamp() where family_id = $1',
      [past.sid],
    );
    const tokens = [ended, past].flatMap(({ accessToken, refreshToken }) => [accessToken, refreshToken]);
    const garbage = ['x', randomBytes(64).toString('base64url'), `${world.pair.accessToken}x`];
    const askers = [
      ...[...tokens, ...garbage].map((token) => introspect(token, basic(REPORTS))),
      ...[...tokens, ...garbage].map((token) => introspect(token, basic(BACKEND))),
      // Of another client; and of a kind that no service may take for an access token.
      introspect(world.pair.accessToken, basic(BACKEND)),
      introspect(world.pair.refreshToken, basic(BACKEND)),
      introspect(world.pair.refreshToken, basic(REPORTS)),
    ];
    for (const answer of await Promise.all(askers)) {
      expect([answer.status, JSON.stringify(answer.body)]).toEqual([200, '{"active":false}']);
      expect(answer.headers.get('cache-control')).toBe('no-store');
    }
    expect((await introspect(world.pair.accessToken, basic(REPORTS))).body).toMatchObject({
      active: true,
      sub: 'alice',
    });
  });

  test('S10 the published keys have no private member', async () => {
    const { keys } = (await send(url('/.well-known/jwks.json'))).body as { keys: object[] };
    const secret = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];
    expect(keys.length).toBeGreaterThan(0);
    for (const key of keys) expect(Object.keys(key).filter((name) => secret.includes(name))).toEqual([]);
  });

  test('S11 the published keys are read by GET alone, as JSON that nobody sniffs, whatever else is asked', async () => {
    const keys = url('/.well-known/jwks.json');
    const plain = await (await fetch(keys)).text();
    const callback = await fetch(`${keys}?callback=alert`);
    expect([
      await callback.text(),
      callback.headers.get('content-type'),
      callback.headers.get('x-content-type-options'),
    ]).toEqual([plain, 'application/json; charset=utf-8', 'nosniff']);
    const others = [
      await fetch(keys, { method: 'POST' }),
      await fetch(keys, { method: 'DELETE' }),
      await fetch(`${keys}.bak`),
      await fetch(url('/.well-known/jwks')),
      await fetch(url('/.well-known/%6a/../jwks.json')),
    ];
    for (const { status, headers } of others) {
      expect(status === 404 || (status === 200 && headers.get('content-type')?.includes('json'))).toBe(true);
    }
  });
});
