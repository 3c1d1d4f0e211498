import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import type { TokenPair } from 'nestjs-token-family';
import type { Answer } from './support/http.js';
import type { Adapter } from './support/node.js';
import { onBothAdapters } from './support/on-both-adapters.js';

const JSON_TYPE = 'application/json';
const FORM_TYPE = 'application/x-www-form-urlencoded';
const MAX_BYTES = 8192;

/** A body and what it is said to be. */
interface Sent {
  readonly type?: string | undefined;
  readonly encoding?: string;
  readonly body: string | Buffer;
  /** without a Content-Length */
  readonly chunked?: boolean;
}

/** One status for both adapters, or one for each. */
type Expected = number | Readonly<Record<Adapter, number>>;

const ofSize = (bytes: number): string => `{"padding":"${'a'.repeat(bytes - 14)}"}`;
const nested = (depth: number, name = 'padding'): string =>
  `{"${name}":${'['.repeat(depth)}${']'.repeat(depth)}}`;
const multipart = '--b\r\nContent-Disposition: form-data; name="sid"\r\n\r\nx\r\n--b--\r\n';

/** Beside a cookie, which alone would do: what is sent with it is refused, or passes as a body that names nothing. */
const BESIDE_THE_COOKIE: [rule: string, sent: Sent, expected: Expected][] = [
  ['JSON', { type: JSON_TYPE, body: '{}' }, 200],
  ['JSON with a charset', { type: 'Application/JSON; charset=utf-8', body: '{"a":1}' }, 200],
  ['a form', { type: FORM_TYPE, body: 'a=b' }, 200],
  ['a form with a charset', { type: `${FORM_TYPE};charset=UTF-8`, body: 'a=b' }, 200],
  ['JSON in chunks', { type: JSON_TYPE, body: '{"a":1}', chunked: true }, 200],
  ['a form in chunks', { type: FORM_TYPE, body: 'a=b', chunked: true }, 200],

  ['plain text', { type: 'text/plain', body: '{}' }, 415],
  ['plain text in chunks', { type: 'text/plain', body: '{}', chunked: true }, 415],
  ['plain text that mentions JSON', { type: 'text/plain; application/json', body: '{}' }, 415],
  ['a multipart form', { type: 'multipart/form-data; boundary=b', body: multipart }, 415],
  [
    'a multipart form in chunks',
    { type: 'multipart/form-data; boundary=b', body: multipart, chunked: true },
    415,
  ],
  ['no type', { body: '{}' }, 415],
  ['no type, in chunks', { body: '{}', chunked: true }, 415],
  ['another type of JSON', { type: 'application/ld+json', body: '{}' }, 415],
  ['a type that is none', { type: 'json', body: '{}' }, 415],
  ['XML', { type: 'application/xml', body: '<a/>' }, 415],

  ['8,192 bytes', { type: JSON_TYPE, body: ofSize(MAX_BYTES) }, 200],
  ['8,193 bytes', { type: JSON_TYPE, body: ofSize(MAX_BYTES + 1) }, 413],
  ['8,192 bytes of a form', { type: FORM_TYPE, body: `a=${'b'.repeat(MAX_BYTES - 2)}` }, 200],
  ['8,193 bytes of a form', { type: FORM_TYPE, body: `a=${'b'.repeat(MAX_BYTES - 1)}` }, 413],
  ['8,193 bytes of plain text', { type: 'text/plain', body: 'a'.repeat(MAX_BYTES + 1) }, 413],
  ['8,192 bytes in chunks', { type: JSON_TYPE, body: ofSize(MAX_BYTES), chunked: true }, 200],
  ['8,193 bytes in chunks', { type: JSON_TYPE, body: ofSize(MAX_BYTES + 1), chunked: true }, 413],
  ['two megabytes', { type: JSON_TYPE, body: ofSize(2 << 20) }, 413],
  ['two megabytes in chunks', { type: JSON_TYPE, body: ofSize(2 << 20), chunked: true }, 413],

  ['deep JSON', { type: JSON_TYPE, body: nested(4000) }, 200],
  ['JSON deeper than the stack', { type: JSON_TYPE, body: nested(45_000), chunked: true }, 413],

  ['gzip', { type: JSON_TYPE, encoding: 'gzip', body: gzipSync('{}') }, { express: 415, fastify: 400 }],
  [
    'gzip of 50 KB',
    { type: JSON_TYPE, encoding: 'gzip', body: gzipSync(ofSize(50_000)) },
    { express: 415, fastify: 400 },
  ],
  [
    'gzip of 20 MB',
    { type: JSON_TYPE, encoding: 'gzip', body: gzipSync(ofSize(20 << 20)) },
    { express: 413, fastify: 400 },
  ],
  [
    'gzip in chunks',
    { type: JSON_TYPE, encoding: 'gzip', body: gzipSync(ofSize(50_000)), chunked: true },
    { express: 413, fastify: 400 },
  ],
  ['gzip that is none', { type: JSON_TYPE, encoding: 'gzip', body: '{}' }, { express: 400, fastify: 415 }],
  ['deflate', { type: FORM_TYPE, encoding: 'deflate', body: deflateSync('a=b') }, 415],
  ['brotli', { type: FORM_TYPE, encoding: 'br', body: brotliCompressSync('a=b') }, 415],
  ['a coding nobody knows', { type: JSON_TYPE, encoding: 'rot13', body: '{}' }, 415],
  ['identity', { type: JSON_TYPE, encoding: 'identity', body: '{}' }, 200],

  ['broken JSON', { type: JSON_TYPE, body: '{"refresh_token":' }, 400],
  ['an array', { type: JSON_TYPE, body: '[]' }, 400],
  ['an array of what is due', { type: JSON_TYPE, body: '[{"sid":"x"}]' }, 400],
  ['a number', { type: JSON_TYPE, body: '1' }, 400],
  ['a text', { type: JSON_TYPE, body: '"refresh_token"' }, 400],
  ['an empty text', { type: JSON_TYPE, body: '""' }, 400],
  ['null', { type: JSON_TYPE, body: 'null' }, 400],
  ['false', { type: JSON_TYPE, body: 'false' }, 400],
  ['a client that is a number', { type: JSON_TYPE, body: '{"client_id":1}' }, 400],
  ['a client that is a list', { type: JSON_TYPE, body: '{"client_id":["default"]}' }, 400],
  ['a session that is an object', { type: JSON_TYPE, body: '{"sid":{}}' }, 400],
  ['a session that is deep', { type: JSON_TYPE, body: nested(4000, 'sid') }, 400],
  ['a session named twice', { type: FORM_TYPE, body: 'sid=a&sid=b' }, 400],
  ['a client of null', { type: JSON_TYPE, body: '{"client_id":null}' }, 400],
];

onBothAdapters({}, (fixture, adapter) => {
  const issue = (): Promise<TokenPair> => fixture.node.tokens.issue('alice');
  const byCookie = ({ refreshToken }: TokenPair): Record<string, string> => ({
    'x-token-carrier': 'cookie',
    cookie: `__Host-refresh_token=${refreshToken}`,
  });

  async function post(headers: Record<string, string>, sent?: Sent, route = 'refresh'): Promise<Answer> {
    const { type, encoding, body = '', chunked = false } = sent ?? {};
    const bytes = Buffer.from(body);
    const response = await fetch(`${fixture.node.url}/auth/${route}`, {
      method: 'POST',
      headers: {
        ...headers,
        ...(type !== undefined && { 'content-type': type }),
        ...(encoding !== undefined && { 'content-encoding': encoding }),
      },
      ...(sent && { body: chunked ? new Blob([bytes]).stream() : bytes, duplex: 'half' }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: text === '' ? {} : JSON.parse(text) };
  }

  /** Every refusal is told in a form that a client can read, and neither spends the token nor takes the cookie. */
  async function expectUnspent(answer: Answer, pair: TokenPair): Promise<void> {
    expect(answer.headers.get('set-cookie')).toBeNull();
    expect(answer.body).toMatchObject(
      'error_description' in answer.body ? { error: 'invalid_request' } : { statusCode: answer.status },
    );
    expect(JSON.stringify(answer.body)).not.toContain(pair.refreshToken);
    const events = fixture.node.events.length;
    expect((await post(byCookie(pair))).status).toBe(200);
    expect(fixture.node.events.slice(events)).toMatchObject([{ type: 'rotated', sid: pair.sid }]);
  }

  test.each(BESIDE_THE_COOKIE)('%s', async (_, sent, expected) => {
    const pair = await issue();
    const answer = await post(byCookie(pair), sent);
    expect(answer.status).toBe(typeof expected === 'number' ? expected : expected[adapter]);
    if (answer.status !== 200) await expectUnspent(answer, pair);
  });

  test.each<[name: string, make: (token: string) => Sent]>([
    ['in a list', (token) => ({ type: JSON_TYPE, body: JSON.stringify({ refresh_token: [token] }) })],
    ['in an object', (token) => ({ type: JSON_TYPE, body: JSON.stringify({ refresh_token: { token } }) })],
    ['of __proto__', (token) => ({ type: JSON_TYPE, body: `{"__proto__":{"refresh_token":"${token}"}}` })],
    [
      'twice in a form',
      (token) => ({ type: FORM_TYPE, body: `refresh_token=${token}&refresh_token=${token}` }),
    ],
    ['in a form as a list', (token) => ({ type: FORM_TYPE, body: `refresh_token[]=${token}` })],
    ['in a form of __proto__', (token) => ({ type: FORM_TYPE, body: `__proto__[refresh_token]=${token}` })],
    ['in plain text', (token) => ({ type: 'text/plain', body: `refresh_token=${token}` })],
    ['in a list of JSON', (token) => ({ type: JSON_TYPE, body: JSON.stringify([{ refresh_token: token }]) })],
    [
      'compressed',
      (token) => ({ type: FORM_TYPE, encoding: 'gzip', body: gzipSync(`refresh_token=${token}`) }),
    ],
  ])('a token %s is refused, and not spent', async (_, make) => {
    const pair = await issue();
    const answer = await post({}, make(pair.refreshToken));
    expect([400, 415]).toContain(answer.status);
    await expectUnspent(answer, pair);
  });

  test('a logout is read as strictly, and ends nothing when it is refused', async () => {
    const pair = await issue();
    const plain = await post(byCookie(pair), { type: 'text/plain', body: '{}' }, 'logout');
    expect(plain.status).toBe(415);
    const large = await post(byCookie(pair), { type: JSON_TYPE, body: ofSize(MAX_BYTES + 1) }, 'logout');
    expect(large.status).toBe(413);
    await expectUnspent(plain, pair);
  });

  test('of two fields of one name in JSON the last one counts, as everywhere', async () => {
    const pair = await issue();
    const body = `{"refresh_token":"x","refresh_token":"${pair.refreshToken}"}`;
    expect((await post({}, { type: JSON_TYPE, body })).status).toBe(200);
  });
});
