import { generateKeyPairSync } from 'node:crypto';
import {
  ALGORITHMS,
  byHand,
  byJose,
  claims,
  ec,
  EXPIRED,
  headerOf,
  IAT,
  INVALID,
  issuer,
  judge,
  keyOf,
  outcome,
  verifier,
} from './support/access-tokens.js';
import { AccessTokenVerifier } from '../libs/auth/src/jwt/verification.js';

const OUTAGE = 'ERR_VERIFICATION_KEYS_UNAVAILABLE';

describe('a token of an independent library', () => {
  test.each(ALGORITHMS)(
    'under %s is verified, and its claims are those that were signed',
    async (algorithm) => {
      const ours = issuer();
      const each = verifier([ours]);
      const token = await byJose(algorithm, { ...claims, roles: ['admin'] });
      const verified = each.verifyNow(token);
      expect(verified).toEqual({ ...claims, roles: ['admin'] });
      expect(await each.verify(token)).toEqual(verified);
      expect(await each.keyFor(token)).toEqual(keyOf[algorithm]);
      expect(Object.isFrozen(verified)).toBe(true);
      expect(ours.asked).toEqual([]);
    },
  );

  test.each([
    ['one millisecond before exp and the tolerance', (IAT + 305) * 1000 - 1, 'accepted'],
    ['at exp and the tolerance', (IAT + 305) * 1000, EXPIRED],
    ['a tolerance before iat', (IAT - 5) * 1000, 'accepted'],
    ['a tolerance and a millisecond before iat', (IAT - 5) * 1000 - 1, INVALID],
  ])('%s: %s', async (_, now, expected) => {
    const token = await byJose('ES256');
    const each = verifier(undefined, now);
    expect(await outcome(() => each.verify(token))).toBe(expected);
    expect(await outcome(() => each.verifyNow(token))).toBe(expected);
    expect(await outcome(() => each.keyFor(token))).toBe(expected);
  });
});

describe('under a good signature', () => {
  const text = JSON.stringify(claims);
  test.each<[title: string, expected: string, token: string]>([
    ['white space in header and claims', 'accepted', byHand(` ${headerOf('ES256')}\n`, ` ${text} `)],
    ['a subject twice', INVALID, byHand(undefined, text.replace('"sub":', '"sub":"mallory","sub":'))],
    ['a kid twice', INVALID, byHand(headerOf('ES256').replace('"kid":', '"kid":"rsa","kid":'))],
    ['a byte-order mark before the claims', INVALID, byHand(undefined, `\uFEFF${text}`)],
    ['a byte-order mark before the header', INVALID, byHand(`\uFEFF${headerOf('ES256')}`)],
    [
      'claims that are no UTF-8',
      INVALID,
      byHand(undefined, Buffer.from(text.replace('alice', 'alü'), 'latin1')),
    ],
    ['claims that are no JSON', INVALID, byHand(undefined, text.slice(1))],
    ['a header that is no JSON', INVALID, byHand('header')],
    ['claims that are a list', INVALID, byHand(undefined, `[${text}]`)],
    ['a critical extension', INVALID, byHand(headerOf('ES256', { crit: ['exp'] }))],
    ['a key of its own', INVALID, byHand(headerOf('ES256', { jwk: ec.publicKey.export({ format: 'jwk' }) }))],
    ['another kind of JWT', INVALID, byHand(headerOf('ES256', { typ: 'JWT' }))],
    ['another issuer', INVALID, byHand(undefined, JSON.stringify({ ...claims, iss: 'https://evil.test' }))],
  ])('%s: %s', async (_, expected, token) => {
    expect(await judge(token)).toBe(expected);
  });

  test('padding is another spelling, and refused', async () => {
    expect(await judge(`${byHand()}==`)).toBe(INVALID);
  });
});

describe('a kid this node does not know', () => {
  const next = { ...keyOf.ES256, kid: 'next' };
  const token = byHand(headerOf('ES256', { kid: 'next' }));

  test('is looked for once, and verified with once it is found', async () => {
    const ours = issuer({ news: [next] });
    const each = verifier([ours]);
    expect(each.verifyNow(token)).toBeUndefined();
    expect(ours.asked).toEqual([]);
    expect(await each.verify(token)).toEqual(claims);
    expect(each.verifyNow(token)).toEqual(claims);
    expect(await each.keyFor(token)).toEqual(next);
    expect(ours.asked).toEqual(['seek']);
  });

  test.each<[title: string, settings: Parameters<typeof issuer>[0], expected: string]>([
    ['is invalid when it is not found', {}, INVALID],
    ['is invalid when it is one for another algorithm', { news: [{ ...keyOf.HS256, kid: 'next' }] }, INVALID],
    ['is an outage where there is no telling', { news: null }, OUTAGE],
  ])('%s', async (_, settings, expected) => {
    const ours = issuer(settings);
    expect(await outcome(() => verifier([ours]).verify(token))).toBe(expected);
    expect(ours.asked).toEqual(['seek']);
    expect(await outcome(() => verifier([ours]).keyFor(token))).toBe(expected);
  });

  test('is never a property of an object', async () => {
    for (const kid of ['__proto__', 'constructor', 'toString', '']) {
      expect(await judge(byHand(headerOf('ES256', { kid })))).toBe(INVALID);
    }
  });

  test.each<[title: string, token: string]>([
    ['of a malformed token', 'aaaa.bbbb'],
    ['of a header that is refused', byHand(headerOf('ES256', { kid: 'next', typ: 'JWT' }))],
  ])('%s is not looked for', async (_, refused) => {
    const ours = issuer({ news: [next] });
    expect(await outcome(() => verifier([ours]).verify(refused))).toBe(INVALID);
    expect(await outcome(() => verifier([ours]).keyFor(refused))).toBe(INVALID);
    expect(ours.asked).toEqual([]);
  });
});

describe('the keys at hand', () => {
  test('a key that goes takes its tokens with it, those verified before too', async () => {
    const ours = issuer();
    const each = verifier([ours]);
    const token = await byJose('ES256');
    expect(each.verifyNow(token)).toEqual(claims);
    ours.ring.replace([keyOf.HS256]);
    expect(each.verifyNow(token)).toBeUndefined();
  });

  test('a kid that comes to name another key is that key from then on', async () => {
    const ours = issuer();
    const each = verifier([ours]);
    const token = await byJose('ES256');
    expect(each.verifyNow(token)).toEqual(claims);
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    ours.ring.replace([{ ...keyOf.ES256, publicKey }]);
    expect(await outcome(() => each.verifyNow(token))).toBe(INVALID);
  });

  test('hundreds of spellings of one header are all verified', () => {
    const each = verifier();
    const spellings = Array.from({ length: 200 }, (_, at) => byHand(headerOf('ES256') + ' '.repeat(at)));
    for (const token of [...spellings, ...spellings]) expect(each.verifyNow(token)).toEqual(claims);
  });
});

describe('with several issuers', () => {
  const OTHER = 'https://other-issuer.test';
  const others = { ...claims, iss: OTHER };
  const ours = () => issuer({ keys: [keyOf.ES256] });
  /** Its key has a name of its own, or the one that ours has. */
  const theirs = (kid = 'rsa') => issuer({ iss: OTHER, keys: [{ ...keyOf.RS256, kid }] });
  const byOther = (payload: object, kid = 'rsa') => byJose('RS256', payload, kid);

  test('each signs for itself and for no other', async () => {
    const each = verifier([ours(), theirs()]);
    expect(await each.verify(await byJose('ES256'))).toEqual(claims);
    expect(await each.verify(await byOther(others))).toEqual(others);
    expect(await outcome(async () => each.verify(await byJose('ES256', others)))).toBe(INVALID);
    expect(await outcome(async () => each.verify(await byOther(claims)))).toBe(INVALID);
  });

  test('two keys of one name are told apart by algorithm', async () => {
    const each = verifier([ours(), theirs('ec')]);
    expect(each.verifyNow(await byJose('ES256'))).toEqual(claims);
    expect(each.verifyNow(await byOther(others, 'ec'))).toEqual(others);
    expect(await outcome(async () => each.verifyNow(await byOther(claims, 'ec')))).toBe(INVALID);
  });

  test('two keys of one name and algorithm are told apart by signature', async () => {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const stranger = issuer({ iss: OTHER, keys: [{ ...keyOf.ES256, publicKey }] });
    const each = verifier([stranger, ours()]);
    expect(each.verifyNow(await byJose('ES256'))).toEqual(claims);
    expect(await each.keyFor(await byJose('ES256'))).toEqual(keyOf.ES256);
    expect(await outcome(async () => each.verifyNow(await byJose('ES256', others)))).toBe(INVALID);
  });

  test('that publish one key are told apart by what it signed', async () => {
    const same = issuer({ iss: OTHER, keys: [keyOf.ES256] });
    const each = verifier([ours(), same]);
    expect(each.verifyNow(await byJose('ES256'))).toEqual(claims);
    expect(each.verifyNow(await byJose('ES256', others))).toEqual(others);
    const strangers = { ...claims, iss: 'https://evil.test' };
    expect(await outcome(async () => each.verifyNow(await byJose('ES256', strangers)))).toBe(INVALID);
  });

  test('what fails for another reason than the token is no refusal', async () => {
    const broken = new Error('the clock stands');
    const failing = new AccessTokenVerifier([ours()], {
      now: () => {
        throw broken;
      },
      monotonic: () => 0,
    });
    const token = await byJose('ES256');
    expect(() => failing.verifyNow(token)).toThrow(broken);
  });

  test.each<[title: string, outcomes: [first: string, second: string], expected: string]>([
    ['found at the second', ['silent', 'news'], 'accepted'],
    ['found at the second, the first out of reach', ['down', 'news'], 'accepted'],
    ['found nowhere', ['silent', 'silent'], INVALID],
    ['found nowhere, the first out of reach', ['down', 'silent'], OUTAGE],
    ['found nowhere, the second out of reach', ['silent', 'down'], OUTAGE],
  ])('a kid that is %s, all being asked: %s', async (_, outcomes, expected) => {
    const news = { silent: [], news: [keyOf.ES256], down: null };
    const both = outcomes.map((kind) => issuer({ keys: [], news: news[kind as keyof typeof news] }));
    expect(await outcome(async () => verifier(both).verify(await byJose('ES256')))).toBe(expected);
    expect(both.map(({ asked }) => asked)).toEqual([['seek'], ['seek']]);
  });

  test('the version rises when a key of any of them comes or goes', () => {
    const both = [ours(), theirs()];
    const each = verifier(both);
    const versions = [each.keyVersion];
    for (const { ring } of [...both, ...both]) {
      ring.replace([]);
      versions.push(each.keyVersion);
    }
    expect(versions).toEqual([0, 1, 2, 3, 4].map((rise) => versions[0]! + rise));
    expect(verifier([]).keyVersion).toBe(0);
  });
});

describe('the key of a token that was verified before', () => {
  const OTHER = 'https://other-issuer.test';
  const iss = claims.iss;
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });

  test('is there while its issuer has it, whatever the claims have come to', async () => {
    const ours = issuer({ keys: [keyOf.ES256] });
    const expired = verifier([ours], (claims.exp + 3600) * 1000);
    const token = await byJose('ES256');
    expect(expired.hasKeyFor(token, iss)).toBe(true);
    ours.ring.replace([keyOf.RS256]);
    expect(expired.hasKeyFor(token, iss)).toBe(false);
  });

  test.each<[title: string, key: Parameters<typeof issuer>[0]]>([
    ['another key has its name', { keys: [{ ...keyOf.ES256, publicKey }] }],
    ['its name is one for another algorithm', { keys: [{ ...keyOf.HS256, kid: 'ec' }] }],
  ])('is gone when %s', async (_, settings) => {
    expect(verifier([issuer(settings)]).hasKeyFor(await byJose('ES256'), iss)).toBe(false);
  });

  test('is asked of its own issuer alone', async () => {
    const both = [issuer({ keys: [keyOf.RS256] }), issuer({ iss: OTHER, keys: [keyOf.ES256] })];
    const token = await byJose('ES256');
    expect(verifier(both).hasKeyFor(token, iss)).toBe(false);
    expect(verifier(both).hasKeyFor(token, OTHER)).toBe(true);
  });

  test('cannot be told of an issuer without any key', async () => {
    const both = [issuer({ keys: [] }), issuer({ iss: OTHER, keys: [keyOf.ES256] })];
    const token = await byJose('ES256');
    expect(await outcome(() => verifier(both).hasKeyFor(token, iss))).toBe(OUTAGE);
    expect(await outcome(() => verifier(both).hasKeyFor(token, 'https://nobody.test'))).toBe(OUTAGE);
  });
});
