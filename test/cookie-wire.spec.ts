import type { TokenPair } from 'nestjs-token-family';
import { ask, type Reply } from './attacks/wire.js';
import { CLEARED, COOKIE, expectUnspent } from './support/cookies.js';
import { onBothAdapters } from './support/on-both-adapters.js';

onBothAdapters({}, (fixture) => {
  const issue = (): Promise<TokenPair> => fixture.node.tokens.issue('alice');
  const presenting = (...values: readonly string[]): Promise<Reply> =>
    ask(fixture.node.url, {
      method: 'POST',
      path: '/auth/refresh',
      headers: [['X-Token-Carrier', 'cookie'], ...values.map((value) => ['Cookie', value] as const)],
    });

  test.each<[where: string, make: (ours: string) => string[]]>([
    ['ours first', (ours) => [`${ours}; ${COOKIE}=other`]],
    ['ours last', (ours) => [`${COOKIE}=other; ${ours}`]],
    ['the same twice', (ours) => [`${ours}; ${ours}`]],
    ['others between', (ours) => [`a=b; ${ours}; theme=dark;${COOKIE}=other`]],
    ['an empty one', (ours) => [`${COOKIE}=; ${ours}`]],
    ['in two headers', (ours) => [ours, `${COOKIE}=other`]],
    ['in two headers, ours last', (ours) => [`${COOKIE}=other`, ours]],
    ['behind a tab', (ours) => [`${ours};\t${COOKIE}=other`]],
  ])('R24: two cookies of that name are an invalid request that spends nothing: %s', async (_, make) => {
    const pair = await issue();
    const reply = await presenting(...make(`${COOKIE}=${pair.refreshToken}`));
    expect(reply.status).toBe(400);
    expect(JSON.parse(reply.body)).toMatchObject({ error: 'invalid_request' });
    await expectUnspent(fixture, pair, reply);
  });

  test.each<[rule: string, make: (token: string) => string[]]>([
    ['without the prefix', (token) => [`refresh_token=${token}`]],
    [
      'with another prefix',
      (token) => [`__Secure-refresh_token=${token}; __Host-Http-refresh_token=${token}`],
    ],
    ['in other letters', (token) => [`__HOST-refresh_token=${token}; __host-refresh_token=${token}`]],
    ['with a longer name', (token) => [`${COOKIE}2=${token}; x${COOKIE}=${token}`]],
    ['behind a no-break space', (token) => [`\xA0${COOKIE}=${token}`, `a=b; \xA0${COOKIE}=${token}`]],
    ['with a no-break space after its name', (token) => [`${COOKIE}\xA0=${token}`]],
    ['in the value of another', (token) => [`a="${COOKIE}=${token}"; b=${COOKIE}=${token}`]],
    ['behind a comma', (token) => [`a=b, ${COOKIE}=${token}`]],
    ['with a quoted name', (token) => [`"${COOKIE}"=${token}`]],
    ['without a value', () => [COOKIE]],
    ['empty', () => [`${COOKIE}=`]],
  ])('R25: a cookie that is not to the letter ours is none: %s', async (_, make) => {
    const pair = await issue();
    const reply = await presenting(...make(pair.refreshToken));
    expect(reply.status).toBe(401);
    await expectUnspent(fixture, pair, reply);
  });

  test.each<[where: string, make: (ours: string) => string[]]>([
    ['alone', (ours) => [ours]],
    ['beside those of siblings', (ours) => [`refresh_token=x; ${ours}; \xA0${COOKIE}=x`]],
    ['behind $Version', (ours) => [`$Version=1; ${ours}; $Path=/`]],
    ['in the second header', (ours) => ['a=b', ours]],
    ['without spaces', (ours) => [`a=b;${ours};c=d`]],
    ['among spaces and tabs', (ours) => [` a=b;  \t${ours} \t; c=d`]],
  ])('and ours is found: %s', async (_, make) => {
    const { refreshToken } = await issue();
    expect((await presenting(...make(`${COOKIE}=${refreshToken}`))).status).toBe(200);
  });

  test.each<[rule: string, make: (token: string) => string]>([
    ['in quotes', (token) => `"${token}"`],
    ['with a space inside', (token) => `${token} x`],
    ['with another behind a comma', (token) => `${token},${COOKIE}=${token}`],
    ['percent-encoded', (token) => token.replace('_', '%5f')],
  ])('a value that is more than a token is none of ours, and is not spent: %s', async (_, make) => {
    const pair = await issue();
    const reply = await presenting(`${COOKIE}=${make(pair.refreshToken)}`);
    expect(JSON.parse(reply.body)).toMatchObject({ error: 'invalid_grant' });
    expect(reply.headers.get('set-cookie')).toBe(CLEARED);
    await expectUnspent(fixture, pair);
  });

  test.each<[rule: string, method: string, query: (token: string) => string, status: number]>([
    ['as GET', 'GET', () => '', 404],
    ['as GET, with the token in the query', 'GET', (token) => `?refresh_token=${token}`, 404],
    ['as GET that says POST', 'GET', () => '?_method=POST', 404],
    ['as PUT', 'PUT', () => '', 404],
    ['by a token in the query', 'POST', (token) => `?refresh_token=${token}`, 401],
  ])('R21: a refresh %s is none', async (_, method, query, status) => {
    const pair = await issue();
    const jar: [string, string][] = method === 'POST' ? [] : [['Cookie', `${COOKIE}=${pair.refreshToken}`]];
    const reply = await ask(fixture.node.url, {
      method,
      path: `/auth/refresh${query(pair.refreshToken)}`,
      headers: [['X-Token-Carrier', 'cookie'], ['X-HTTP-Method-Override', 'POST'], ...jar],
    });
    expect(reply.status).toBe(status);
    await expectUnspent(fixture, pair, reply);
  });
});
