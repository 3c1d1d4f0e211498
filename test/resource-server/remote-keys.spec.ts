import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { Logger } from '@nestjs/common';
import { InvalidTokenError, UnavailableError } from 'nestjs-token-family';
import { KeyRing } from '../../libs/auth/src/jwt/key-ring.js';
import { RemoteKeys } from '../../libs/auth/src/jwt/remote-keys.js';
import { AccessTokenVerifier } from '../../libs/auth/src/jwt/verification.js';
import { es256, Forge } from '../attacks/forge.js';
import { me } from '../support/http.js';
import { issuerKey, startIssuer, type FakeIssuer, type IssuerKey } from './issuer.js';
import { startResourceServer } from './node.js';

const POLICY = { refreshInterval: 300, coolDown: 30, maxStaleness: 3600, timeout: 5 };

let issuer: FakeIssuer;
let key: IssuerKey;
let clock: { wall: number; mono: number; now(): number; monotonic(): number };
let logged: string[];
let ring: KeyRing;
let remote: RemoteKeys;
let verifier: AccessTokenVerifier;
let token: string;

beforeEach(async () => {
  issuer = await startIssuer();
  key = await issuerKey();
  issuer.publish(key.jwk);
  token = await issuer.token(key);
  clock = { wall: Date.now(), mono: 0, now: () => Date.now(), monotonic: () => clock.mono };
  logged = [];
  open(POLICY.timeout);
});

/** @param timeout seconds for one fetch */
function open(timeout: number): void {
  ring = new KeyRing();
  const logger = { log: (text: string) => logged.push(text), error: (text: string) => logged.push(text) };
  remote = new RemoteKeys(issuer.jwksUri, ring, { ...POLICY, timeout }, clock, logger);
  const policy = { issuer: issuer.issuer, audience: ['api'], maxLifetime: 3600, clockTolerance: 5 };
  verifier = new AccessTokenVerifier([{ ring, source: remote, policy }], clock);
}

afterEach(async () => {
  remote.stop();
  await issuer.close();
});

const pass = (seconds: number): void => {
  clock.mono += seconds * 1000;
};
/** The class of an outcome: what a client is told. */
const outcome = (text: string): Promise<string> =>
  verifier.verify(text).then(
    () => 'accepted',
    (error: Error) => error.constructor.name,
  );
const [INVALID, UNAVAILABLE] = [InvalidTokenError.name, UnavailableError.name];

test('10,000 tokens with random names cost one fetch in a cool-down, and a good one passes among them', async () => {
  // They keep a busy machine from reading the answer for longer than is waited for one.
  open(100);
  await remote.start();
  expect(issuer.fetches()).toBe(1);
  const forge = new Forge(token, es256(key.privateKey));
  const forged = Array.from({ length: 10_000 }, () => forge.token({ header: { kid: randomUUID() } }));
  const flood = async (): Promise<Set<string>> => new Set(await Promise.all(forged.map(outcome)));
  expect(await flood()).toEqual(new Set([INVALID]));
  expect(issuer.fetches()).toBe(1);
  pass(POLICY.coolDown);
  expect(await flood()).toEqual(new Set([INVALID]));
  expect(issuer.fetches()).toBe(2);
  expect(await outcome(token)).toBe('accepted');
}, 120_000);

test('a key published since is found by the first token that names it', async () => {
  await remote.start();
  const next = await issuerKey();
  issuer.publish(key.jwk, next.jwk);
  pass(POLICY.coolDown);
  const signed = await issuer.token(next);
  expect(await Promise.all([outcome(signed), outcome(signed), outcome(signed)])).toEqual([
    'accepted',
    'accepted',
    'accepted',
  ]);
  expect(issuer.fetches()).toBe(2);
});

test('a key that is published no more is believed no more, and what was cached is forgotten', async () => {
  await remote.start();
  const { version } = ring;
  issuer.publish((await issuerKey()).jwk);
  await remote.refresh();
  expect(ring.version).toBeGreaterThan(version);
  expect(await outcome(token)).toBe(INVALID);
});

test('the same set again changes nothing', async () => {
  await remote.start();
  const { version } = ring;
  await remote.refresh();
  expect(ring.version).toBe(version);
});

const losses: [string, (response: ServerResponse) => void][] = [
  ['closed', (response) => response.destroy()],
  ['reset', (response) => response.socket!.resetAndDestroy()],
  ['closed in the midst of an answer', (response) => response.write('{"keys":[', () => response.destroy())],
];

const misbehaviours: [string, (response: ServerResponse) => void][] = [
  ['an error', (response) => response.writeHead(500).end()],
  ['a redirect', (response) => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end()],
  ['an empty set', (response) => response.end('{"keys":[]}')],
  ['a set of shared secrets', (response) => response.end('{"keys":[{"kty":"oct","k":"AA","kid":"a"}]}')],
  ['no JSON', (response) => response.end('<html>')],
  ['JSON of another kind', (response) => response.end('{"keys":{}}')],
  ['10 MB', (response) => response.end(`{"keys":[],"filler":"${'x'.repeat(10_000_000)}"}`)],
  ['a set with a key that is no object', (response) => response.end('{"keys":[null]}')],
];

const endless: [string, (response: ServerResponse) => void][] = [
  ['nothing, for ever', () => {}],
  ['half an answer, for ever', (response) => response.writeHead(200).write('{"keys":[')],
];

test.each(endless)('%s is waited for no longer than the timeout', async (_, answer) => {
  open(0.2);
  issuer.answer = answer;
  await expect(remote.refresh()).rejects.toThrow(UnavailableError);
  expect(logged).toEqual([expect.stringMatching(/timed out/i)]);
  // On a busy machine the question itself may come too late.
  expect(issuer.fetches()).toBeLessThan(2);
});

test.each(losses)('a connection that is %s is replaced by a new one at once', async (_, lose) => {
  await remote.start();
  const good = issuer.answer;
  const next = await issuerKey();
  issuer.publish(key.jwk, next.jwk);
  issuer.answer = (response) => {
    issuer.answer = good;
    lose(response);
  };
  await remote.refresh();
  expect(await outcome(await issuer.token(next))).toBe('accepted');
  expect(issuer.fetches()).toBe(3);
  expect(logged).toEqual([]);
});

test.each(losses)('one that is %s again is not, and the last good keys stay in force', async (_, lose) => {
  await remote.start();
  issuer.answer = lose;
  await expect(remote.refresh()).rejects.toThrow(UnavailableError);
  expect(issuer.fetches()).toBe(3);
  expect(logged).toEqual([expect.stringMatching(/cannot be fetched: .+/)]);
  expect(await outcome(token)).toBe('accepted');
});

test('a new connection is waited for no longer than the first one was', async () => {
  open(1);
  issuer.answer = (response) => {
    issuer.answer = () => {};
    response.destroy();
  };
  await expect(remote.refresh()).rejects.toThrow(UnavailableError);
  expect(logged).toEqual([expect.stringMatching(/timed out/i)]);
  expect(issuer.fetches()).toBeLessThan(3);
});

test.each(misbehaviours)('%s in place of keys leaves the last good ones in force', async (_, answer) => {
  await remote.start();
  const good = issuer.answer;
  issuer.answer = answer;
  pass(POLICY.coolDown * 10);
  await expect(remote.refresh()).rejects.toThrow(UnavailableError);
  expect(issuer.fetches()).toBe(2);
  expect(await outcome(token)).toBe('accepted');
  // Whether such a key exists cannot be told now.
  expect(await outcome(await issuer.token(key, {}, { kid: randomUUID() }))).toBe(UNAVAILABLE);
  expect(logged).toEqual([expect.stringMatching(/cannot be fetched: .+/)]);
  issuer.answer = good;
  pass(POLICY.coolDown);
  expect(await outcome(await issuer.token(key, {}, { kid: randomUUID() }))).toBe(INVALID);
});

test('the last good keys are believed up to maxStaleness, and then nothing is', async () => {
  await remote.start();
  issuer.answer = (response) => response.writeHead(503).end();
  pass(POLICY.maxStaleness);
  await remote.refresh().catch(() => {});
  expect(await outcome(token)).toBe('accepted');
  pass(1);
  await remote.refresh().catch(() => {});
  expect(await outcome(token)).toBe(UNAVAILABLE);
});

test('strangers who name unknown keys while the issuer is out of reach fill no log', async () => {
  issuer.answer = (response) => response.destroy();
  const errors = jest.spyOn(Logger.prototype, 'error');
  const options = { issuer: issuer.issuer, audience: 'api', jwksUri: issuer.jwksUri };
  const resource = await startResourceServer(options);
  try {
    for (let count = 0; count < 20; count++) {
      const forged = await issuer.token(key, {}, { kid: randomUUID() });
      expect((await me(resource, forged)).status).toBe(503);
    }
    expect(errors.mock.calls.map(([line]) => line as unknown)).toEqual([
      expect.stringMatching(/cannot be fetched/),
    ]);
  } finally {
    errors.mockRestore();
    await resource.close();
  }
});

test('keys of another kind, for another use, too weak or without a name are passed over', async () => {
  const rsa = { kty: 'RSA', e: 'Aw', n: 'u'.repeat(342) };
  const { kid: _, ...nameless } = (await issuerKey()).jwk;
  const odd = await issuerKey();
  issuer.publish(
    { kty: 'OKP', crv: 'Ed25519', x: 'A'.repeat(43), kid: 'okp' },
    { ...(await issuerKey('enc')).jwk, use: 'enc' },
    { ...(await issuerKey('es384')).jwk, alg: 'ES384' },
    { ...(await issuerKey('sign')).jwk, key_ops: ['sign'] },
    { ...rsa, kid: 'exponent' },
    { kty: 'EC', crv: 'P-256', x: 'no', y: 'point', kid: 'broken' },
    nameless,
    { ...odd.jwk, kid: 'x'.repeat(257) },
    key.jwk,
    { ...odd.jwk, kid: key.kid },
  );
  await remote.start();
  expect(ring.keys.map(({ kid }) => kid)).toEqual([key.kid]);
  expect(await outcome(token)).toBe('accepted');
});

test('an issuer that is not up yet does not stop the start: 503 until its keys are there', async () => {
  const good = issuer.answer;
  issuer.answer = (response) => response.destroy();
  const resource = await startResourceServer({
    issuer: issuer.issuer,
    audience: 'api',
    jwksUri: issuer.jwksUri,
    jwks: { coolDown: 0.05 },
  });
  try {
    const answer = await me(resource, token);
    expect(answer.status).toBe(503);
    expect(answer.headers.get('retry-after')).toBe('1');
    issuer.answer = good;
    let { status } = answer;
    for (const end = Date.now() + 5_000; status !== 200 && Date.now() < end;) {
      ({ status } = await me(resource, token));
    }
    expect(status).toBe(200);
  } finally {
    await resource.close();
  }
});
