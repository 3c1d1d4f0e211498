import { randomBytes } from 'node:crypto';
import * as fc from 'fast-check';
import { InvalidGrantError, UnavailableError } from '../libs/auth/src/core/errors.js';
import { RefreshTokenCodec, type RefreshTokenParts } from '../libs/auth/src/core/refresh-token.js';
import { next, read, sha256, write } from './support/written-format.js';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const LOGIN = Date.UTC(2026, 0, 1);

const oldKey = { id: 1, secret: randomBytes(32) };
const newKey = { id: 2, secret: 'a text of 32 bytes or more, like a passphrase' };
let codec: RefreshTokenCodec;
let afterChange: RefreshTokenCodec;
beforeAll(() => {
  codec = new RefreshTokenCodec([oldKey, newKey]);
  afterChange = new RefreshTokenCodec([newKey, oldKey]);
});

function refusal(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    return error;
  }
}

function successors(token: RefreshTokenParts, count: number): RefreshTokenParts {
  return count === 0 ? token : successors(codec.successor(token), count - 1);
}

describe('the text form', () => {
  test('a token is rt1_ and 92 characters of base64url, 69 bytes', () => {
    const { text } = codec.first(LOGIN);
    expect(text).toMatch(/^rt1_[\w-]{92}$/);
    expect(Buffer.from(text.slice(4), 'base64url')).toHaveLength(69);
  });

  test('a token has no slack bits: each of the 64 last characters is another token', () => {
    const { text } = codec.first(LOGIN);
    const spellings = Array.from(ALPHABET).map((last) =>
      Buffer.from(text.slice(4, -1) + last, 'base64url').toString('hex'),
    );
    expect(new Set(spellings).size).toBe(64);
  });

  test('decoding the first token gives back what made it', () => {
    const first = codec.first(LOGIN);
    expect(codec.decode(first.text)).toEqual(first);
    expect(first).toMatchObject({ keyId: oldKey.id, generation: 0 });
  });

  test('each of the 256 bits of root and step is random', () => {
    const secrets = Array.from({ length: 512 }, () => {
      const { root, step } = read(codec.first(LOGIN).text);
      return Buffer.concat([root, step]);
    });
    for (let bit = 0; bit < 256; bit++) {
      const set = secrets.filter((secret) => secret[bit >> 3]! & (1 << (bit & 7))).length;
      // Six standard deviations around the half.
      expect(Math.abs(set - 256)).toBeLessThan(68);
    }
    expect(new Set(secrets.map(String)).size).toBe(512);
  });

  test('what the database is to keep are SHA-256 hashes of root and step', () => {
    const first = codec.first(LOGIN);
    const { root, step } = read(first.text);
    expect(first.rootHash).toEqual(sha256(root));
    expect(first.stepHash).toEqual(sha256(step));
  });

  test('a token made by another program long ago is read the same, and followed by the same', () => {
    const pinned = new RefreshTokenCodec([{ id: 7, secret: 'pinned-secret-of-thirty-two-bytes' }]);
    const token = pinned.decode(
      'rt1_BwGU_eiQAHAAgAAAAAAAAAEAAAADERERERERERERERERERERESIiIiIiIiIiIiIiIiIiIiJ9M1LJSubSCCCtz3xBU6HW',
    );
    expect(token).toMatchObject({ familyId: '0194fde8-9000-7000-8000-000000000001', generation: 3 });
    expect(pinned.successor(token).text).toBe(
      'rt1_BwGU_eiQAHAAgAAAAAAAAAEAAAAEEREREREREREREREREREREUeIKXeFinRfT2n-1xqVCFvdDRm4jIx3_mvD8tsGFxnN',
    );
  });
});

describe('family ids', () => {
  test('a family id is a UUIDv7 of the login time', () => {
    const { familyId } = codec.first(LOGIN);
    expect(familyId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(parseInt(familyId.replaceAll('-', '').slice(0, 12), 16)).toBe(LOGIN);
  });

  test('family ids ascend with the login time', () => {
    const ids = [0, 1, 255, 256, 65_536, 2 ** 32].map((later) => codec.first(LOGIN + later).familyId);
    expect(ids.toSorted()).toEqual(ids);
  });

  test('two logins in one millisecond have different families, roots and steps', () => {
    const [one, other] = [codec.first(LOGIN), codec.first(LOGIN)];
    expect(one.familyId).not.toBe(other.familyId);
    expect(one.rootHash).not.toEqual(other.rootHash);
    expect(one.stepHash).not.toEqual(other.stepHash);
  });
});

describe('the successor', () => {
  test('is a pure function of the token: every node derives the same bytes', () => {
    const token = codec.first(LOGIN);
    const elsewhere = new RefreshTokenCodec([oldKey, newKey]);
    expect(elsewhere.successor(elsewhere.decode(token.text))).toEqual(codec.successor(token));
  });

  test('keeps family and root, and has another step and the next generation', () => {
    const token = codec.first(LOGIN);
    const successor = codec.successor(token);
    expect(successor).toMatchObject({ familyId: token.familyId, rootHash: token.rootHash, generation: 1 });
    expect(successor.stepHash).not.toEqual(token.stepHash);
  });

  test('under another key id has the same step and another text', () => {
    const token = codec.first(LOGIN);
    const [underOld, underNew] = [codec.successor(token), afterChange.successor(token)];
    expect(underNew).toMatchObject({ keyId: newKey.id, stepHash: underOld.stepHash });
    expect(underNew.text).not.toBe(underOld.text);
    expect(codec.decode(underNew.text)).toEqual(underNew);
    expect(afterChange.successor(token, oldKey.id)).toEqual(underOld);
  });

  test('under a key id this node does not know is unavailable', () => {
    const error = refusal(() => codec.successor(codec.first(LOGIN), 9));
    expect(error).toBeInstanceOf(UnavailableError);
    expect(error).toMatchObject({ code: 'ERR_REFRESH_TOKEN_KEY_UNKNOWN' });
  });

  test('any chain decodes at every link, and equals the written format', () => {
    const ids = fc.array(fc.constantFrom(oldKey, newKey), { maxLength: 40 });
    fc.assert(
      fc.property(ids, (keys) => {
        let token = codec.first(LOGIN);
        let fields = read(token.text);
        let key: typeof oldKey | typeof newKey = oldKey;
        for (const [index, nextKey] of keys.entries()) {
          token = codec.decode(codec.successor(token, nextKey.id).text);
          fields = next(key, fields);
          key = nextKey;
          expect(token.text).toBe(write(key, fields));
          expect(token).toMatchObject({
            generation: index + 1,
            keyId: key.id,
            stepHash: sha256(fields.step),
          });
        }
      }),
    );
  });
});

describe('what is no token of ours', () => {
  /** Of every character in its place, the other 63. Key id 3 is 0b11: no single change makes it the next id, 4. */
  test('a token with one of its 96 characters changed is refused, whatever it is changed to', () => {
    const keyed = new RefreshTokenCodec([{ id: 3, secret: randomBytes(32) }]);
    const { text } = keyed.first(LOGIN);
    const accepted = Array.from(text).flatMap((original, at) =>
      Array.from(ALPHABET)
        .filter((other) => other !== original)
        .map((other) => text.slice(0, at) + other + text.slice(at + 1))
        .filter((changed) => !(refusal(() => keyed.decode(changed)) instanceof InvalidGrantError)),
    );
    expect(text).toHaveLength(96);
    expect(accepted).toEqual([]);
  });

  /** A good token with both characters in which base64url differs from base64. */
  function sample(): string {
    const texts = Array.from({ length: 100 }, () => codec.first(LOGIN).text);
    return texts.find((text) => /-.*_|_.*-/.test(text.slice(4)))!;
  }
  test.each<[title: string, spoil: (text: string) => unknown]>([
    ['nothing', () => ''],
    ['one character less', (text) => text.slice(0, -1)],
    ['one character more', (text) => `${text}A`],
    ['four characters more, a whole block', (text) => `${text}AAAA`],
    ['padding', (text) => `${text}=`],
    ['padding in place of the end', (text) => `${text.slice(0, -1)}=`],
    ['the alphabet of standard base64', (text) => text.replaceAll('-', '+').replaceAll('_', '/')],
    ['another version', (text) => text.replace('rt1_', 'rt2_')],
    ['a prefix in capitals', (text) => text.replace('rt1_', 'RT1_')],
    ['no prefix', (text) => text.slice(4)],
    ['something before', (text) => `x${text}`],
    ['another token before', (text) => text + text],
    ['a space before', (text) => ` ${text}`],
    ['a space after', (text) => `${text} `],
    ['a line feed after', (text) => `${text}\n`],
    ['a space in place of a character', (text) => `${text.slice(0, 50)} ${text.slice(51)}`],
    ['U+0000 in place of a character', (text) => `${text.slice(0, 50)}\0${text.slice(51)}`],
    ['a letter that only looks like one of ours', (text) => `${text.slice(0, 50)}А${text.slice(51)}`],
    ['a token in a list', (text) => [text]],
    ['an object that reads as a token', (text) => ({ toString: () => text })],
    ['no text at all', () => undefined],
  ])('%s is malformed', (_, spoil) => {
    const error = refusal(() => codec.decode(spoil(sample()) as string));
    expect(error).toBeInstanceOf(InvalidGrantError);
    expect(error).toMatchObject({ code: 'ERR_REFRESH_TOKEN_MALFORMED' });
  });

  test.each([
    [2 ** 31 - 1, true],
    [2 ** 31, false],
    [2 ** 32 - 1, false],
  ])('generation %i with a real tag: readable is %s', (generation, readable) => {
    const text = write(oldKey, { ...read(codec.first(LOGIN).text), generation });
    const result = refusal(() => codec.decode(text));
    expect(result).toMatchObject(readable ? { generation } : { code: 'ERR_REFRESH_TOKEN_MALFORMED' });
  });

  test('the right bytes under the tag of another secret are forged', () => {
    const { text } = codec.first(LOGIN);
    const forged = write({ id: oldKey.id, secret: randomBytes(32) }, read(text));
    expect(refusal(() => codec.decode(forged))).toMatchObject({ code: 'ERR_REFRESH_TOKEN_FORGED' });
  });

  test('a tag under one of our keys does not pass under the id of another', () => {
    const bytes = Buffer.from(codec.first(LOGIN).text.slice(4), 'base64url');
    bytes[0] = newKey.id;
    const relabelled = `rt1_${bytes.toString('base64url')}`;
    expect(refusal(() => codec.decode(relabelled))).toMatchObject({ code: 'ERR_REFRESH_TOKEN_FORGED' });
  });
});

describe('key ids', () => {
  let node: RefreshTokenCodec;
  beforeAll(() => {
    node = new RefreshTokenCodec([
      { id: 7, secret: randomBytes(32) },
      { id: 5, secret: randomBytes(32) },
    ]);
  });

  test.each([
    ['retired', 4],
    ['never configured here', 6],
    ['far ahead', 9],
    ['the lowest', 0],
    ['the highest', 255],
  ])('an id that is %s is forged', (_, id) => {
    const text = write({ id, secret: randomBytes(32) }, read(codec.first(LOGIN).text));
    const error = refusal(() => node.decode(text));
    expect(error).toBeInstanceOf(InvalidGrantError);
    expect(error).toMatchObject({ code: 'ERR_REFRESH_TOKEN_FORGED' });
  });

  test('the id right after the highest is unavailable: a newer deployment knows it', () => {
    const text = write({ id: 8, secret: randomBytes(32) }, read(codec.first(LOGIN).text));
    const error = refusal(() => node.decode(text));
    expect(error).toBeInstanceOf(UnavailableError);
    expect(error).toMatchObject({ code: 'ERR_REFRESH_TOKEN_KEY_UNKNOWN', status: 503 });
  });

  test('the first key is the active one, whatever its id', () => {
    expect(node.first(LOGIN).keyId).toBe(7);
    expect(afterChange.first(LOGIN).keyId).toBe(newKey.id);
  });

  test('a token of the key before the change lives on through the change', () => {
    const old = successors(codec.first(LOGIN), 3);
    const token = afterChange.successor(afterChange.decode(old.text));
    expect(afterChange.successor(token)).toMatchObject({ generation: 5, keyId: newKey.id });
  });
});
