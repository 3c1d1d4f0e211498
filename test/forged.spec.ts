import { randomBytes } from 'node:crypto';
import { connectionsTaken } from './support/connections.js';
import { refresh, send, type Answer } from './support/http.js';
import { options } from './support/node.js';
import { onBothAdapters } from './support/on-both-adapters.js';
import { next, read, sha256, write, type Fields } from './support/written-format.js';

/** Id 3, 0b11: no change of a single character makes it the next id, which a newer deployment would know. */
const key = { id: 3, secret: randomBytes(32) };
const settings = {
  options: options({
    refreshToken: { keys: [key], leeway: 0 },
    // No poll and no probe falls into a test, so every connection taken is taken for a request.
    revocation: { pollInterval: '60s', maxStaleness: '1h', listen: false },
  }),
};

/** A refusal as the wire tells it: status, error, and whether caches may keep it. */
function told({ status, headers, body }: Answer): string {
  return `${status} ${body['error'] as string}, ${headers.get('cache-control')}`;
}
const INVALID_GRANT = '400 invalid_grant, no-store';
const INVALID_REQUEST = '400 invalid_request, no-store';

/** The base64 alphabet with the next character in place of each: never the same one. */
function flipped(text: string, at: number): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const other = alphabet[(alphabet.indexOf(text[at]!) + 1) % alphabet.length]!;
  return text.slice(0, at) + other + text.slice(at + 1);
}

const nothingBut = (answer: string) => ({ told: [answer], connections: 0, rotates: true });

const alarms = (familyId: Buffer, count: number) => ({
  told: [INVALID_GRANT],
  events: Array.from({ length: count }, () => `forged ${familyId.toString('hex')}`),
  rotates: true,
});

onBothAdapters(settings, (fixture) => {
  let token: string;
  beforeAll(async () => {
    token = (await fixture.node.tokens.issue('alice')).refreshToken;
  });

  /** What was told, what it cost; and the token itself still rotates, by a connection of its own. */
  async function afterRefusing(work: () => Promise<Answer[]>) {
    const answers: Answer[] = [];
    const connections = await connectionsTaken(
      fixture.node,
      async () => void answers.push(...(await work())),
    );
    const taken = await connectionsTaken(fixture.node, async () => {
      const { body } = await refresh(fixture.node, token);
      token = body['refresh_token'] as string;
    });
    return {
      told: [...new Set(answers.map(told))],
      connections,
      rotates: taken === 1 && token !== undefined,
    };
  }
  test('each of the 96 characters changed: no query, and the token still rotates', async () => {
    const outcome = await afterRefusing(() =>
      Promise.all(Array.from(token, (_, at) => refresh(fixture.node, flipped(token, at)))),
    );
    expect(token).toHaveLength(96);
    expect(outcome).toEqual(nothingBut(INVALID_GRANT));
  });

  test.each<[string, (token: string) => string]>([
    ['an empty text', () => ''],
    ['a character less', (text) => text.slice(1)],
    ['a character more', (text) => `${text}A`],
    ['another prefix', (text) => `rt2_${text.slice(4)}`],
    ['padding', (text) => `${text}=`],
    ['the alphabet of standard base64', (text) => `${text.slice(0, 50)}+/${text.slice(52)}`],
    ['white space around', (text) => ` ${text}\n`],
    ['U+0000 within', (text) => `${text.slice(0, 50)}\0${text.slice(51)}`],
    ['half a surrogate pair', () => '\ud800'],
    ['SQL', () => `' or 1=1; drop table refresh_token; --`],
    ['random bytes in our form', (text) => text.slice(0, 8) + randomBytes(66).toString('base64url')],
    ['the tag of another secret', (text) => write({ ...key, secret: randomBytes(32) }, read(text))],
    ['a generation of 2^31 with a real tag', (text) => write(key, { ...read(text), generation: 2 ** 31 })],
    ['a retired key', (text) => write({ ...key, id: 1 }, read(text))],
    ['8,000 bytes', () => 'A'.repeat(8000)],
  ])('%s: invalid_grant, no query, and the token still rotates', async (_, forge) => {
    const outcome = await afterRefusing(async () => [await refresh(fixture.node, forge(token))]);
    expect(outcome).toEqual(nothingBut(INVALID_GRANT));
  });

  test('an access token in its place: invalid_grant, no query', async () => {
    const { accessToken } = await fixture.node.tokens.issue('bob');
    const outcome = await afterRefusing(async () => [await refresh(fixture.node, accessToken)]);
    expect(outcome).toEqual(nothingBut(INVALID_GRANT));
  });

  test.each<[string, object]>([
    ['no token', { json: {} }],
    ['null', { json: { refresh_token: null } }],
    ['a number', { json: { refresh_token: 5 } }],
    ['true', { json: { refresh_token: true } }],
    ['a list', { json: { refresh_token: ['rt1_'] } }],
    ['an object', { json: { refresh_token: { refresh_token: 'rt1_' } } }],
    ['an object with a length', { json: { refresh_token: { toString: 'rt1_', length: 96 } } }],
    ['a list for a body', { json: ['rt1_'] }],
    ['an empty form', { form: '' }],
    ['the token twice in a form', { form: 'refresh_token=a&refresh_token=b' }],
    ['nothing at all', { method: 'POST' }],
  ])('%s: invalid_request, no query, and the token still rotates', async (_, sent) => {
    const outcome = await afterRefusing(async () => [await send(`${fixture.node.url}/auth/refresh`, sent)]);
    expect(outcome).toEqual(nothingBut(INVALID_REQUEST));
  });

  test.each([
    ['64 KiB', 65_536],
    ['2 MB', 2_000_000],
  ])('%s: turned away before it is looked at, no query', async (_, length) => {
    let status: number | undefined;
    const { connections, rotates } = await afterRefusing(async () => {
      ({ status } = await refresh(fixture.node, 'A'.repeat(length)));
      return [];
    });
    expect({ status, connections, rotates }).toEqual({ status: 413, connections: 0, rotates: true });
  });

  test('a forged cookie: invalid_grant, no query, and the cookie is taken back', async () => {
    const headers = { 'x-token-carrier': 'cookie', cookie: `__Host-refresh_token=${flipped(token, 95)}` };
    const answer = await send(`${fixture.node.url}/auth/refresh`, { method: 'POST', headers });
    expect(await afterRefusing(async () => [answer])).toEqual(nothingBut(INVALID_GRANT));
    expect(answer.headers.get('set-cookie')).toMatch(/^__Host-refresh_token=; Max-Age=0/);
  });

  test('the next key id: 503, as a newer deployment may know it; no query', async () => {
    const text = write({ ...key, id: 4 }, read(token));
    const outcome = await afterRefusing(async () => [await refresh(fixture.node, text)]);
    expect(outcome).toEqual(nothingBut('503 temporarily_unavailable, no-store'));
  });

  /** Presents what the key alone can make; the alarms of it, and whether the family lives. */
  async function presentForged(forgeries: Fields[]) {
    fixture.node.events.length = 0;
    const answers: Answer[] = [];
    for (const forgery of forgeries) answers.push(await refresh(fixture.node, write(key, forgery)));
    const events = fixture.node.events.map(({ type, sid }) => `${type} ${sid.replaceAll('-', '')}`);
    const { rotates } = await afterRefusing(async () => []);
    return { told: [...new Set(answers.map(told))], events, rotates };
  }
  describe('with a stolen key', () => {
    test('and no token of the family nobody mints and nobody kills: each attempt is an alarm', async () => {
      const { familyId, generation } = read(token);
      const forgeries = [0, generation - 1, generation, generation + 1, generation + 9].map((each) => ({
        familyId,
        generation: each,
        root: randomBytes(16),
        step: randomBytes(16),
      }));
      expect(await presentForged(forgeries)).toEqual(alarms(familyId, forgeries.length));
    });

    test('and the database with it nobody mints and nobody kills: hashes are no secrets', async () => {
      const { familyId } = read(token);
      const [row] = await fixture.database.query<Record<string, Buffer> & { generation: number }>(
        'select generation, root_hash, step_hash, parent_hash from refresh_token where family_id = $1',
        [familyId.toString('hex')],
      );
      const { generation, ...hashes } = row!;
      const parts = Object.values(hashes as Record<string, Buffer>).flatMap((hash) => [
        hash.subarray(0, 16),
        hash.subarray(16),
        sha256(hash).subarray(0, 16),
      ]);
      const current = parts.flatMap((root) => parts.map((step) => ({ familyId, generation, root, step })));
      const forgeries = [...current, ...current.map((forgery) => next(key, forgery))];
      expect(await presentForged(forgeries)).toEqual(alarms(familyId, 2 * 9 * 9));
    });

    test('and a token of the family its successor is known before it is issued: the limit we state', async () => {
      const successor = next(key, read(token));
      const { body } = await refresh(fixture.node, token);
      token = body['refresh_token'] as string;
      expect(token).toBe(write(key, successor));
    });

    test('a family that never was is unknown: invalid_grant, and no alarm', async () => {
      const unknown = { ...read(token), familyId: randomBytes(16) };
      expect(await presentForged([unknown])).toEqual({ told: [INVALID_GRANT], events: [], rotates: true });
    });
  });
});
