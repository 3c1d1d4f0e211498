import type { TokenPair } from 'nestjs-token-family';
import { send, type Answer } from './support/http.js';
import { onBothAdapters } from './support/on-both-adapters.js';

const NAME = '__Host-refresh_token';
const CARRIER = { 'x-token-carrier': 'cookie' };

/** The value a browser would keep, from the Set-Cookie header. */
function cookieOf(answer: Answer): string {
  return answer.headers
    .get('set-cookie')!
    .split(';')[0]!
    .slice(NAME.length + 1);
}

onBothAdapters({}, (fixture) => {
  const post = (route: string, headers: Record<string, string>, json: unknown = {}): Promise<Answer> =>
    send(`${fixture.node.url}/auth/${route}`, { headers, json });
  const withCookie = (value: string): Record<string, string> => ({
    ...CARRIER,
    cookie: `theme=dark; ${NAME}=${value}`,
  });
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

  test('the cookie is read only when the carrier header asks for it', async () => {
    const { refreshToken } = await issue();
    const answer = await post('refresh', { cookie: `${NAME}=${refreshToken}` });
    expect(answer.status).toBe(400);
    expect(answer.body['error']).toBe('invalid_request');
    expect((await post('refresh', withCookie(refreshToken))).status).toBe(200);
  });

  test('without a cookie the answer is a bare challenge', async () => {
    const answer = await post('refresh', CARRIER);
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="api"');
  });

  test('two cookies of that name are an invalid request that spends nothing', async () => {
    const { refreshToken } = await issue();
    const answer = await post('refresh', { ...CARRIER, cookie: `${NAME}=${refreshToken}; ${NAME}=other` });
    expect(answer.status).toBe(400);
    expect(answer.headers.get('set-cookie')).toBeNull();
    expect((await post('refresh', withCookie(refreshToken))).status).toBe(200);
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
    expect(refused.headers.get('set-cookie')).toBe(
      `${NAME}=; Max-Age=0; Path=/; HttpOnly; Secure; SameSite=Strict`,
    );
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

  test('a client that moves from the body to the cookie gets its successor in the cookie only', async () => {
    const answer = await post('refresh', CARRIER, { refresh_token: (await issue()).refreshToken });
    expect(answer.status).toBe(200);
    expect(answer.body).not.toHaveProperty('refresh_token');
    expect(cookieOf(answer)).toMatch(/^rt1_/);
  });
});
