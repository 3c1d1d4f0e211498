import { generateKeyPairSync, KeyObject } from 'node:crypto';
import { SignJWT, decodeJwt, decodeProtectedHeader } from 'jose';
import type { TokenPair } from 'nestjs-token-family';
import { me, send, type Answer } from './support/http.js';
import { onBothAdapters } from './support/on-both-adapters.js';
import { signingKey } from './support/node.js';

const NO_CREDENTIALS = 'Bearer realm="api"';
const INVALID = 'Bearer realm="api", error="invalid_token", error_description="The access token is invalid"';
const EXPIRED = 'Bearer realm="api", error="invalid_token", error_description="The access token expired"';

onBothAdapters({}, (fixture) => {
  let pair: TokenPair;
  beforeAll(async () => {
    pair = await fixture.node.tokens.issue('alice');
  });
  afterEach(async () => {
    // The control: whatever was refused, a good token still works.
    expect((await me(fixture.node, pair.accessToken)).status).toBe(200);
  });

  /** A token signed with our own key by an independent library, with changes. */
  async function forge(
    claims: Record<string, unknown> = {},
    header: Record<string, unknown> = {},
    key: KeyObject = signingKey,
  ): Promise<string> {
    const { alg, ...rest } = { ...decodeProtectedHeader(pair.accessToken), ...header };
    return new SignJWT({ ...decodeJwt(pair.accessToken), ...claims })
      .setProtectedHeader({ alg: alg!, ...rest })
      .sign(key);
  }
  const withAuthorization = (authorization: string): Promise<Answer> =>
    send(`${fixture.node.url}/me`, { headers: { authorization } });
  const seconds = (offset: number): number => Math.floor(Date.now() / 1000) + offset;

  function expectChallenge(answer: Answer, challenge: string): void {
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toBe(challenge);
    expect(answer.headers.get('cache-control')).toBe('no-store');
  }

  test('a token of an independent library with our key and our claims passes', async () => {
    expect((await me(fixture.node, await forge({ aud: ['other', 'https://api.test'] }))).status).toBe(200);
    expect((await me(fixture.node, await forge({}, { typ: 'application/AT+JWT' }))).status).toBe(200);
  });

  test('no credentials get a bare challenge', async () => {
    expectChallenge(await send(`${fixture.node.url}/me`), NO_CREDENTIALS);
    expectChallenge(await withAuthorization('Basic YTpi'), NO_CREDENTIALS);
    expectChallenge(await send(`${fixture.node.url}/me?access_token=${pair.accessToken}`), NO_CREDENTIALS);
  });

  test.each(['Bearer', 'Bearer ', 'Bearer a b', 'Bearer a,b'])(
    '%j is an invalid request',
    async (authorization) => {
      const answer = await withAuthorization(authorization);
      expect(answer.status).toBe(400);
      expect(answer.body['error']).toBe('invalid_request');
    },
  );

  test('the scheme is compared without regard to case', async () => {
    expect((await withAuthorization(`bearer ${pair.accessToken}`)).status).toBe(200);
  });

  test.each<[string, Record<string, unknown>]>([
    ['another issuer', { iss: 'https://issuer.test/' }],
    ['another audience', { aud: 'https://api.test.evil' }],
    ['no audience', { aud: undefined }],
    ['an empty audience', { aud: [] }],
    ['a nested audience', { aud: [['https://api.test']] }],
    ['no subject', { sub: undefined }],
    ['an empty subject', { sub: '' }],
    ['a number for a subject', { sub: 1 }],
    ['no session', { sid: undefined }],
    ['no client', { client_id: undefined }],
    ['no jti', { jti: undefined }],
    ['no expiry', { exp: undefined }],
    ['an expiry in a text', { exp: '9999999999' }],
    ['a lifetime longer than any of ours', { exp: seconds(86_400) }],
    ['no time of issue', { iat: undefined }],
    ['a time of issue in the future', { iat: seconds(60), exp: seconds(120) }],
    ['a time before which it is not to be used', { nbf: seconds(60) }],
    ['a scope in a list', { scope: ['admin'] }],
  ])('%s is refused', async (_, claims) => {
    expectChallenge(await me(fixture.node, await forge(claims)), INVALID);
  });

  test.each<[string, Record<string, unknown>]>([
    ['no typ', { typ: undefined }],
    ['the typ of another kind of JWT', { typ: 'JWT' }],
    ['an unknown kid', { kid: 'another' }],
    ['a kid that names a property', { kid: '__proto__' }],
    ['an embedded key', { jwk: { kty: 'EC' } }],
    ['a critical extension', { crit: ['b64'], b64: true }],
  ])('%s in the header is refused', async (_, header) => {
    expectChallenge(await me(fixture.node, await forge({}, header)), INVALID);
  });

  test('a token signed with another key is refused', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    expectChallenge(await me(fixture.node, await forge({}, {}, privateKey)), INVALID);
  });

  test('an unsigned token is refused', async () => {
    const [, payload] = pair.accessToken.split('.');
    const header = Buffer.from(
      JSON.stringify({ ...decodeProtectedHeader(pair.accessToken), alg: 'none' }),
    ).toString('base64url');
    expectChallenge(await me(fixture.node, `${header}.${payload}.AAAA`), INVALID);
  });

  test('a token has one spelling', async () => {
    const last = pair.accessToken.at(-1)!;
    const twin = pair.accessToken.slice(0, -1) + String.fromCharCode(last.charCodeAt(0) + 1);
    expectChallenge(await me(fixture.node, twin), INVALID);
    expectChallenge(await me(fixture.node, `${pair.accessToken}==`), INVALID);
  });

  test('an expired token is told from an otherwise invalid one', async () => {
    expectChallenge(await me(fixture.node, await forge({ iat: seconds(-200), exp: seconds(-6) })), EXPIRED);
  });

  test('the clock tolerance holds at the end of a lifetime', async () => {
    expect((await me(fixture.node, await forge({ iat: seconds(-200), exp: seconds(-2) }))).status).toBe(200);
  });

  test('a refresh token is no access token, and is not spent', async () => {
    expectChallenge(await me(fixture.node, pair.refreshToken), INVALID);
    expect(fixture.node.events.some(({ type }) => type === 'rotated')).toBe(false);
  });

  test('the application gets frozen claims without a prototype', async () => {
    const { body } = await me(fixture.node, await forge({ constructor: { name: 'x' } }));
    expect(body['constructor']).toEqual({ name: 'x' });
    expect(({} as { admin?: boolean }).admin).toBeUndefined();
  });

  test('a revoked session is refused with the same words as a forged token', async () => {
    const revoked = await fixture.node.tokens.issue('alice');
    await fixture.node.tokens.revoke(revoked.sid);
    expectChallenge(await me(fixture.node, revoked.accessToken), INVALID);
  });

  test('introspection says what is good now, and of a refresh token only whether its family lives', async () => {
    const { tokens } = fixture.node;
    const one = await tokens.issue('bob', { scope: 'read' });
    expect(await tokens.introspect(one.accessToken)).toMatchObject({
      active: true,
      sub: 'bob',
      token_type: 'access_token',
    });
    expect(await tokens.introspect(one.refreshToken)).toEqual({
      active: true,
      token_type: 'refresh_token',
      sub: 'bob',
      client_id: 'default',
      sid: one.sid,
      scope: 'read',
    });
    await tokens.revoke(one.sid);
    expect(await tokens.introspect(one.accessToken)).toEqual({ active: false });
    expect(await tokens.introspect(one.refreshToken)).toEqual({ active: false });
    expect(await tokens.introspect('nonsense')).toEqual({ active: false });
  });
});
