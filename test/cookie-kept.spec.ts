import {
  InvalidRequestError,
  TokenService,
  TooManyRequestsError,
  UnavailableError,
  type TokenPair,
} from 'nestjs-token-family';
import { CLEARED, cookieOf, expectUnspent, RENEWED, withCookie } from './support/cookies.js';
import { send, type Answer } from './support/http.js';
import { options } from './support/node.js';
import { onBothAdapters, type Fixture } from './support/on-both-adapters.js';

type Act = (pair: TokenPair, fixture: Fixture) => Promise<Answer>;

type Fate = 'renewed' | 'cleared' | 'left' | 'spoiled';

/** What a browser has after an answer. */
function fateOf({ headers }: Answer): Fate {
  const set = headers.getSetCookie();
  if (set.length === 0) return 'left';
  if (set.length > 1) return 'spoiled';
  if (set[0] === CLEARED) return 'cleared';
  return RENEWED.test(set[0]!) ? 'renewed' : 'spoiled';
}

const refreshing =
  (json: unknown = {}, headers: Record<string, string> = {}): Act =>
  ({ refreshToken }, { node }) =>
    send(`${node.url}/auth/refresh`, { json, headers: { ...withCookie(refreshToken), ...headers } });

const after =
  (prepare: (pair: TokenPair, fixture: Fixture) => Promise<unknown>): Act =>
  async (pair, fixture) => {
    await prepare(pair, fixture);
    return refreshing()(pair, fixture);
  };

/** What the service refuses is told in one way, whatever made it refuse. */
const refused =
  (error: Error): Act =>
  (pair, fixture) => {
    jest.spyOn(fixture.node.get(TokenService), 'rotate').mockRejectedValueOnce(error);
    return refreshing()(pair, fixture);
  };

const unavailable = (code: ConstructorParameters<typeof UnavailableError>[0]): Act =>
  refused(new UnavailableError(code));

const ANSWERS: [answer: string, act: Act, status: number, error: string | undefined, cookie: Fate][] = [
  ['a rotation', refreshing(), 200, undefined, 'renewed'],
  ['a repeat', after(refreshing()), 200, undefined, 'renewed'],
  ['malformed', refreshing({ sid: 1 }), 400, 'invalid_request', 'left'],
  ['in both carriers', refreshing({ refresh_token: 'x' }), 400, 'invalid_request', 'left'],
  ['of another client', refreshing({ client_id: 'another' }), 400, 'invalid_grant', 'left'],
  ['of another page', refreshing({}, { origin: 'https://evil.test' }), 403, 'invalid_request', 'left'],
  ['of another session', refreshing({ sid: 'another' }), 409, 'session_mismatch', 'left'],
  ['too large', refreshing({ a: 'a'.repeat(9000) }), 413, 'invalid_request', 'left'],
  ['of another type', refreshing({}, { 'content-type': 'text/plain' }), 415, 'invalid_request', 'left'],
  [
    'by a key that was used',
    refused(new InvalidRequestError('ERR_IDEMPOTENCY_KEY_REUSED', 'Used before', 422)),
    422,
    'invalid_request',
    'left',
  ],
  ['too often', refused(new TooManyRequestsError(7)), 429, 'temporarily_unavailable', 'left'],
  ['a lost race', unavailable('ERR_STORE_CONTENDED'), 503, 'temporarily_unavailable', 'left'],
  ['no database', unavailable('ERR_STORE_UNAVAILABLE'), 503, 'temporarily_unavailable', 'left'],
  ['no claims', unavailable('ERR_CLAIMS_UNAVAILABLE'), 503, 'temporarily_unavailable', 'left'],
  ['no key to sign with', unavailable('ERR_SIGNING_KEY_UNAVAILABLE'), 503, 'temporarily_unavailable', 'left'],
  ['a key of tomorrow', unavailable('ERR_REFRESH_TOKEN_KEY_UNKNOWN'), 503, 'temporarily_unavailable', 'left'],
  ['a bug', refused(new Error('of ours')), 500, undefined, 'left'],
  ['revoked', after(({ sid }, { node }) => node.tokens.revoke(sid)), 400, 'invalid_grant', 'cleared'],
  ['idle', after((_, { database }) => database.passTime(8 * 86_400)), 400, 'invalid_grant', 'cleared'],
  ['expired', after((_, { database }) => database.passTime(31 * 86_400)), 400, 'invalid_grant', 'cleared'],
  [
    'reused',
    after(async (pair, fixture) => {
      await refreshing()(pair, fixture);
      await fixture.database.passTime(11);
    }),
    400,
    'invalid_grant',
    'cleared',
  ],
  [
    'none of ours',
    (pair, fixture) => refreshing()({ ...pair, refreshToken: pair.refreshToken.slice(1) }, fixture),
    400,
    'invalid_grant',
    'cleared',
  ],
];

onBothAdapters({ options: options({ clients: [{ id: 'another' }] }) }, (fixture) => {
  const issue = (): Promise<TokenPair> => fixture.node.tokens.issue('alice');
  afterEach(() => jest.restoreAllMocks());

  test.each(ANSWERS)(
    'only what is over for good clears the cookie: %s',
    async (_, act, status, error, cookie) => {
      const pair = await issue();
      const answer = await act(pair, fixture);
      expect(answer.status).toBe(status);
      expect(answer.body['error']).toBe(error);
      expect(fateOf(answer)).toBe(cookie);
      expect(/^[1-9]\d*$/.test(answer.headers.get('retry-after') ?? '')).toBe([429, 503].includes(status));
      if (cookie === 'left') await expectUnspent(fixture, pair);
    },
  );

  test('a key of a cookie that was used leaves it, too', async () => {
    const key = 'k'.repeat(22);
    const { refreshToken, ...pair } = await issue();
    const first = await refreshing()({ ...pair, refreshToken: `${refreshToken}.${key}` }, fixture);
    await fixture.database.passTime(11);
    const current = cookieOf(first).split('.')[0]!;
    const answer = await refreshing()({ ...pair, refreshToken: `${current}.${key}` }, fixture);
    expect(answer.status).toBe(422);
    await expectUnspent(fixture, { ...pair, refreshToken: current }, answer);
  });

  test('a logout that fails leaves it', async () => {
    const pair = await issue();
    const error = new UnavailableError('ERR_STORE_UNAVAILABLE');
    jest.spyOn(fixture.node.get(TokenService), 'revokeToken').mockRejectedValueOnce(error);
    const url = `${fixture.node.url}/auth/logout`;
    const answer = await send(url, { json: {}, headers: withCookie(pair.refreshToken) });
    expect(answer.status).toBe(503);
    await expectUnspent(fixture, pair, answer);
  });

  test('a logout of another client leaves it', async () => {
    const pair = await issue();
    const url = `${fixture.node.url}/auth/logout`;
    const json = { client_id: 'another' };
    const answer = await send(url, { json, headers: withCookie(pair.refreshToken) });
    expect(answer.body['error']).toBe('invalid_grant');
    await expectUnspent(fixture, pair, answer);
  });
});
