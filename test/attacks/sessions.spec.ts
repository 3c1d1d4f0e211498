import { setTimeout as sleep } from 'node:timers/promises';
import { generateKeyPairSync } from 'node:crypto';
import type { ClaimsProvider, TokenPair } from 'nestjs-token-family';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { refresh, send } from '../support/http.js';
import { options, signingKey, startNode as startOnDatabase, type TestNode } from '../support/node.js';
import { es256, Forge, twinOf } from './forge.js';
import { get, startNode, withNodes, type Target } from './target.js';
import { expectAccepted, expectRefused, INVALID, verdictOf, type Verdict } from './verdicts.js';

const withBearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });

describe.each(['express', 'fastify'] as const)('two nodes with one database, on %s', (adapter) => {
  let database: TestDatabase;
  let provider: ClaimsProvider = () => ({});
  let nodes: TestNode[];
  let targets: Target[];
  let pair: TokenPair;
  beforeAll(async () => {
    database = await createDatabase();
    const settings = {
      url: database.url,
      adapter,
      options: options({ revocation: { pollInterval: 0.05 }, claims: (request) => provider(request) }),
    };
    nodes = [await startOnDatabase(settings), await startOnDatabase(settings)];
  });
  beforeEach(async () => {
    provider = () => ({});
    const control = (await nodes[0]!.tokens.issue('alice')).accessToken;
    targets = nodes.map(({ url }) => ({ url, control }));
    pair = await nodes[0]!.tokens.issue('alice');
  });
  afterAll(async () => {
    await Promise.all(nodes.map((node) => node.close()));
    await database.drop();
  });

  /** The verdict of every node at the latest when a poll has come to it. */
  async function expectSoon(token: string, verdict: Verdict): Promise<void> {
    for (const target of targets) {
      const end = Date.now() + 2000;
      while ((await get(target, token)).status === 200 && Date.now() < end) await sleep(10);
      expect(verdictOf(await get(target, token))).toEqual(verdict);
    }
  }

  test('A13 the twin of an ECDSA signature is worth what the token is worth: both go with the session', async () => {
    const twin = twinOf(pair.accessToken);
    expect(twin).not.toBe(pair.accessToken);
    for (const target of targets) await expectAccepted(target, { token: pair.accessToken });
    const before = await Promise.all(targets.map((target) => get(target, twin)));
    for (const reply of before) expect([200, 401]).toContain(reply.status);
    await nodes[0]!.tokens.revoke(pair.sid);
    await expectSoon(pair.accessToken, INVALID);
    for (const target of targets) await expectRefused(target, { twin, token: pair.accessToken });
  });

  test('A31 a refresh token is no access token, and is not spent by being shown', async () => {
    for (const target of targets) await expectRefused(target, { 'refresh token': pair.refreshToken });
    const [row] = await database.query<{ generation: number; revoked_at: Date | null }>(
      'select generation, revoked_at from refresh_token where family_id = $1',
      [pair.sid],
    );
    expect(row).toEqual({ generation: 0, revoked_at: null });
    expect(
      nodes.flatMap(({ events }) => events).filter(({ sid, type }) => sid === pair.sid && type !== 'issued'),
    ).toEqual([]);
    expect((await refresh(nodes[1]!, pair.refreshToken)).status).toBe(200);
  });

  test('A31 an access token is no refresh token, and is not spent either', async () => {
    const answer = await refresh(nodes[0]!, pair.accessToken);
    expect([answer.status, answer.body['error']]).toEqual([400, 'invalid_grant']);
    for (const target of targets) await expectAccepted(target, { token: pair.accessToken });
  });

  test.each<[title: string, end: () => Promise<unknown>]>([
    [
      'that logged out',
      () => send(`${nodes[0]!.url}/auth/logout`, { json: { refresh_token: pair.refreshToken } }),
    ],
    ['that was revoked', () => nodes[1]!.tokens.revoke(pair.sid)],
    [
      'that another session of its user ended',
      () =>
        send(`${nodes[0]!.url}/auth/sessions/${pair.sid}`, {
          method: 'DELETE',
          ...withBearer(targets[0]!.control),
        }),
    ],
  ])('A41 a token of a session %s is refused on every node', async (_, end) => {
    for (const target of targets) await expectAccepted(target, { token: pair.accessToken });
    await end();
    await expectSoon(pair.accessToken, INVALID);
    for (const target of targets) await expectRefused(target, { token: pair.accessToken });
  });

  test('A41 a family killed by reuse takes all of its access tokens along, on every node', async () => {
    const rotated = await refresh(nodes[0]!, pair.refreshToken);
    const second = String(rotated.body['access_token']);
    await database.passTime(60);
    expect((await refresh(nodes[1]!, pair.refreshToken)).status).toBe(400);
    for (const token of [pair.accessToken, second]) await expectSoon(token, INVALID);
    for (const target of targets) await expectRefused(target, { first: pair.accessToken, second });
    // What an attacker could still make of it: another jti, a later end, the session's own id.
    const forge = new Forge(second, es256(signingKey));
    await expectRefused(targets[1]!, { 'signed anew': forge.token({ claims: { jti: 'another' } }) });
  });

  test('A41 every session of a user ends on every node, and nobody else’s', async () => {
    const [one, two, other] = await Promise.all(
      ['carol', 'carol', 'dave'].map((name) => nodes[0]!.tokens.issue(name)),
    );
    await nodes[0]!.tokens.revokeAll('carol');
    for (const { accessToken } of [one!, two!]) await expectSoon(accessToken, INVALID);
    for (const target of targets) await expectAccepted(target, { other: other!.accessToken });
  });

  test('A42 a token of a user who is gone is refused from the next refresh on, on every node', async () => {
    for (const target of targets) await expectAccepted(target, { token: pair.accessToken });
    provider = () => null;
    const answer = await refresh(nodes[1]!, pair.refreshToken);
    expect([answer.status, answer.body['error']]).toEqual([400, 'invalid_grant']);
    await expectSoon(pair.accessToken, INVALID);
    for (const target of targets) await expectRefused(target, { token: pair.accessToken });
  });

  test('A28 names that look alike have sessions of their own', async () => {
    const names = ['ange\u0301', 'ang\u00e9', '\u0430lice', 'alice\u200b', 'ALICE'];
    const pairs = await Promise.all(names.map((name) => nodes[0]!.tokens.issue(name)));
    for (const [at, each] of pairs.entries()) {
      const { body } = await send(`${nodes[1]!.url}/auth/sessions`, withBearer(each.accessToken));
      expect((body as unknown as { sid: string }[]).map(({ sid }) => sid)).toEqual([pairs[at]!.sid]);
      const foreign = pairs[(at + 1) % pairs.length]!.sid;
      const answer = await send(`${nodes[0]!.url}/auth/sessions/${foreign}`, {
        method: 'DELETE',
        ...withBearer(each.accessToken),
      });
      expect(answer.status).toBe(404);
    }
    await nodes[0]!.tokens.revokeAll(names[0]!);
    for (const each of pairs.slice(1)) await expectAccepted(targets[0]!, { [each.sid]: each.accessToken });
    await expectRefused(targets[0]!, { [names[0]!]: pairs[0]!.accessToken });
  });
});

describe.each(['express', 'fastify'] as const)('keys that come and go, on %s', (adapter) => {
  const [old, next] = [0, 1].map(() => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
  const start = (...keys: object[]) =>
    startNode(adapter, { options: options({ accessToken: { keys } }), signer: es256(old!) });

  test('A38 a key that no longer signs still verifies, and one that is taken away does not', async () => {
    const nodes = [start(old!), start(next!, old!), start(next!)] as const;
    await withNodes(nodes, async (before, during, after) => {
      const tokens = { signed: before.forge.token(), issued: before.control };
      await expectAccepted(before, tokens);
      await expectAccepted(during, tokens);
      await expectRefused(after, tokens);
      await expectRefused(before, { 'of a key that is not known yet': after.control });
      await expectAccepted(during, { 'of the next key': after.control });
      // Nor does the old key sign under the name of the next one.
      const kid = new Forge(after.control, es256(old!)).header['kid'];
      await expectRefused(during, { 'under the other kid': before.forge.token({ header: { kid } }) });
    });
  });

  test('A38 a key that is taken away while the node runs takes the tokens along that are remembered, too', () =>
    withNodes([start(next!, old!)], async ({ ring, forge, ...target }) => {
      const { keys, active } = ring;
      const header = { kid: keys[1]!.kid };
      const tokens = { one: forge.token({ header }), two: forge.token({ header, claims: { jti: 'two' } }) };
      await expectAccepted(target, tokens);
      ring.replace([active], active);
      await expectRefused(target, tokens);
      ring.replace(keys, active);
      await expectAccepted(target, tokens);
    }));

  test('A37 two issuers in one process keep to their own keys and names', async () => {
    const other = { ...options({ accessToken: { keys: [next!] } }), issuer: 'https://other.test' };
    const nodes = [start(old!), startNode(adapter, { options: other, signer: es256(next!) })] as const;
    await withNodes(nodes, async (one, two) => {
      const { kid } = one.forge.header;
      await expectRefused(one, {
        'of the other': two.forge.token(),
        'of the other, for us': two.forge.token({ claims: { iss: 'https://issuer.test' } }),
        'of the other, under our kid': two.forge.token({
          header: { kid },
          claims: { iss: 'https://issuer.test' },
        }),
        'ours, of the other issuer': one.forge.token({ claims: { iss: 'https://other.test' } }),
      });
      await expectRefused(two, { 'of the first': one.forge.token() });
    });
  });
});
