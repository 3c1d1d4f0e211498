import type { TokenPair } from 'nestjs-token-family';
import { CARRIER, CLEARED, COOKIE, cookieOf, expectUnspent, RENEWED, withCookie } from './support/cookies.js';
import { me, send, type Answer } from './support/http.js';
import { options } from './support/node.js';
import { onBothAdapters } from './support/on-both-adapters.js';

onBothAdapters({ options: options({ clients: [{ id: 'another' }] }) }, (fixture) => {
  const post = (route: string, headers: Record<string, string>, json: unknown = {}): Promise<Answer> =>
    send(`${fixture.node.url}/auth/${route}`, { headers, json });
  const issue = (): Promise<TokenPair> => fixture.node.tokens.issue('alice');

  test('the cookie is host-bound, unreadable by script, and the body then holds no refresh token', async () => {
    const { refreshToken } = await issue();
    const answer = await post('refresh', withCookie(refreshToken));
    expect(answer.status).toBe(200);
    expect(answer.body).not.toHaveProperty('refresh_token');
    const attributes = answer.headers.get('set-cookie')!.split('; ').slice(1);
    expect(attributes.toSorted()).toEqual([
      'HttpOnly',
      'Max-Age=604800',
      'Path=/',
      'SameSite=Strict',
      'Secure',
    ]);
    expect(cookieOf(answer)).toMatch(/^rt1_[\w-]{92}\.[\w-]{22}$/);
  });

  test('a browser that lost an answer repeats the cookie hours later and gets the same token', async () => {
    const first = await post('refresh', withCookie((await issue()).refreshToken));
    await fixture.database.passTime(60);
    const lost = await post('refresh', withCookie(cookieOf(first)));
    await fixture.database.passTime(5 * 3600);
    const again = await post('refresh', withCookie(cookieOf(first)));
    expect(again.status).toBe(200);
    expect(cookieOf(again).split('.')[0]).toBe(cookieOf(lost).split('.')[0]);
  });

  test('an answer with another token carries a fresh key', async () => {
    const { refreshToken } = await issue();
    const answers = [
      await post('refresh', withCookie(refreshToken)),
      await post('refresh', withCookie(refreshToken)),
    ];
    const [one, two] = answers.map(cookieOf).map((value) => value.split('.'));
    expect(one![0]).toBe(two![0]);
    expect(one![1]).not.toBe(two![1]);
  });

  test('an answer with the same token keeps its key, so that a late answer cannot part the two', async () => {
    const jar = cookieOf(await post('refresh', withCookie((await issue()).refreshToken)));
    const late = await post('refresh', withCookie(jar));
    expect(cookieOf(late)).toBe(jar);
    await fixture.database.passTime(11);
    await post('refresh', withCookie(jar));
    await fixture.database.passTime(11);
    expect((await post('refresh', withCookie(cookieOf(late)))).status).toBe(200);
  });

  test('a key that is none of ours is passed over, and the token works', async () => {
    const { refreshToken } = await issue();
    expect((await post('refresh', withCookie(`${refreshToken}.short`))).status).toBe(200);
  });

  test('a refusal that leaves the family alive leaves the cookie, too', async () => {
    const { refreshToken } = await issue();
    const refused = await post('refresh', withCookie(refreshToken), { client_id: 'another' });
    expect(refused.body['error']).toBe('invalid_grant');
    expect(refused.headers.get('set-cookie')).toBeNull();
    expect((await post('refresh', withCookie(refreshToken))).status).toBe(200);
  });

  test('the cookie is read only when the carrier header asks for it, and the answer says so', async () => {
    const pair = await issue();
    const answer = await post('refresh', { cookie: `${COOKIE}=${pair.refreshToken}` });
    expect(answer.status).toBe(403);
    expect(answer.body['error']).toBe('invalid_request');
    expect(answer.body['error_description']).toContain('X-Token-Carrier: cookie');
    await expectUnspent(fixture, pair, answer);
  });

  test('a cookie that nothing asks for is no token, where the body has one or is said to', async () => {
    const [jar, { refreshToken }] = [await issue(), await issue()];
    const cookie = { cookie: `${COOKIE}=${jar.refreshToken}` };
    expect((await post('refresh', cookie, { refresh_token: refreshToken })).status).toBe(200);
    expect((await post('refresh', { ...cookie, 'x-token-carrier': 'body' })).status).toBe(400);
    await expectUnspent(fixture, jar);
  });

  test('a logout by a cookie that nothing asks for ends nothing, and by a bearer beside it that session', async () => {
    const [jar, other] = [await issue(), await issue()];
    const cookie = { cookie: `${COOKIE}=${jar.refreshToken}` };
    const refused = await post('logout', cookie);
    expect(refused.status).toBe(403);
    const answer = await post('logout', { ...cookie, authorization: `Bearer ${other.accessToken}` });
    expect(answer.status).toBe(204);
    expect(answer.headers.get('set-cookie')).toBeNull();
    expect((await me(fixture.node, other.accessToken)).status).toBe(401);
    await expectUnspent(fixture, jar, refused);
  });

  test('without a cookie the answer is a bare challenge', async () => {
    const answer = await post('refresh', CARRIER);
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="api"');
  });

  test('a token in the cookie and one in the body are an invalid request', async () => {
    const { refreshToken } = await issue();
    const answer = await post('refresh', withCookie(refreshToken), { refresh_token: refreshToken });
    expect(answer.status).toBe(400);
    expect(answer.body['error']).toBe('invalid_request');
  });

  test('an unknown carrier is an invalid request', async () => {
    const answer = await post('refresh', { 'x-token-carrier': 'pigeon' }, { refresh_token: 'x' });
    expect(answer.body['error']).toBe('invalid_request');
  });

  test('only a definite end clears the cookie', async () => {
    const first = await post('refresh', withCookie((await issue()).refreshToken));
    await fixture.database.passTime(8 * 86_400);
    const refused = await post('refresh', withCookie(cookieOf(first)));
    expect(refused.status).toBe(400);
    expect(refused.headers.get('set-cookie')).toBe(CLEARED);
    const mismatch = await post('refresh', withCookie((await issue()).refreshToken), { sid: 'another' });
    expect(mismatch.status).toBe(409);
    expect(mismatch.headers.get('set-cookie')).toBeNull();
  });

  test('logout by cookie ends the session and clears the cookie', async () => {
    const { refreshToken } = await issue();
    const answer = await post('logout', withCookie(`${refreshToken}.anykeyanykeyanykey1`));
    expect(answer.status).toBe(204);
    expect(answer.headers.get('set-cookie')).toContain('Max-Age=0');
    expect((await post('refresh', withCookie(refreshToken))).body['error']).toBe('invalid_grant');
  });

  test('a logout of another session than the cookie is of leaves the cookie, and what it opens', async () => {
    const [before, jar] = [await issue(), await issue()];
    const refused = await post('logout', withCookie(jar.refreshToken), { sid: before.sid });
    expect([refused.status, refused.body['error']]).toEqual([409, 'session_mismatch']);
    const headers = { ...withCookie(jar.refreshToken), authorization: `Bearer ${before.accessToken}` };
    const answer = await post('logout', headers, { sid: before.sid });
    expect(answer.status).toBe(204);
    expect(answer.headers.get('set-cookie')).toBeNull();
    expect((await me(fixture.node, before.accessToken)).status).toBe(401);
    await expectUnspent(fixture, jar, refused);
  });

  test('a client that moves from the body to the cookie gets its successor in the cookie only', async () => {
    const answer = await post('refresh', CARRIER, { refresh_token: (await issue()).refreshToken });
    expect(answer.status).toBe(200);
    expect(answer.body).not.toHaveProperty('refresh_token');
    expect(cookieOf(answer)).toMatch(/^rt1_/);
  });

  test.each(['x;Domain=evil.example;SameSite=None', '6e0ad9b1-6f0f-4c0c-9a5b-0d1f1c1e7a55', 'k'.repeat(22)])(
    'the Idempotency-Key %s of a token that came in the body is no part of the cookie that answers it',
    async (key) => {
      const first = await post('refresh', CARRIER, { refresh_token: (await issue()).refreshToken });
      const token = cookieOf(first).split('.')[0];
      // A repeat: the token that is answered is the one that came.
      const answer = await post('refresh', { ...CARRIER, 'idempotency-key': key }, { refresh_token: token });
      expect([answer.status, cookieOf(answer).split('.')[0]]).toEqual([200, token]);
      expect(answer.headers.get('set-cookie')).toMatch(RENEWED);
      expect(cookieOf(answer)).not.toContain(key);
    },
  );

  test('neither the token nor the key of a cookie is anywhere but in Set-Cookie', async () => {
    const first = await post('refresh', withCookie((await issue()).refreshToken));
    await fixture.database.passTime(11);
    const second = await post('refresh', withCookie(cookieOf(first)));
    const mismatch = await post('refresh', withCookie(cookieOf(second)), { sid: 'another' });
    const logout = await post('logout', withCookie(cookieOf(second)));
    const over = await post('refresh', withCookie(cookieOf(second)));
    const answers = [first, second, mismatch, logout, over];
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 409, 204, 400]);
    const seen = answers.map(({ body, headers }) => [
      body,
      [...headers].filter(([name]) => name !== 'set-cookie'),
    ]);
    for (const secret of [first, second].flatMap((answer) => cookieOf(answer).split('.'))) {
      expect(JSON.stringify(seen)).not.toContain(secret);
    }
  });
});
