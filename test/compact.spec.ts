import * as fc from 'fast-check';
import { InvalidTokenError } from '../libs/auth/src/core/errors.js';
import { readSegment, splitCompact } from '../libs/auth/src/jwt/compact.js';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const encode = (text: string | Buffer) => Buffer.from(text).toString('base64url');

/** What a text is read as, or the code of the refusal: which repeats nothing of the text. */
function outcome(read: () => unknown): unknown {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof InvalidTokenError)) throw error;
    expect(error.cause).toBeUndefined();
    return error.code;
  }
}
const INVALID = 'ERR_ACCESS_TOKEN_INVALID';
const split = (token: string) => outcome(() => splitCompact(token));
const read = (json: string | Buffer) => outcome(() => readSegment(encode(json)));

describe('the three segments', () => {
  test('are told apart, and what the signature is over is the text before it', () => {
    expect(splitCompact('aaaa.bb-_.c0c0')).toEqual({
      header: 'aaaa',
      signed: 'aaaa.bb-_',
      payload: 'bb-_',
      signature: 'c0c0',
    });
  });

  test.each<[title: string, token: string]>([
    ['nothing', ''],
    ['one segment', 'aaaa'],
    ['two segments', 'aaaa.bbbb'],
    ['four segments', 'aaaa.bbbb.cccc.dddd'],
    ['five, an encrypted token', 'aaaa.bbbb.cccc.dddd.eeee'],
    ['an empty header', '.bbbb.cccc'],
    ['an empty payload', 'aaaa..cccc'],
    ['an empty signature', 'aaaa.bbbb.'],
    ['padding', 'aaaa.bbbb.ccc='],
    ['the alphabet of standard base64', 'aaaa.bb+/.cccc'],
    ['a space before', ' aaaa.bbbb.cccc'],
    ['a space in place of the first character', ' aaa.bbbb.cccc'],
    ['a space in place of the last character', 'aaaa.bbbb.ccc '],
    ['a space within', 'aaaa.bb b.cccc'],
    ['a line feed after', 'aaaa.bbbb.cccc\n'],
    ['another token before', 'aaaa bbbb.cccc.dddd'],
    ['another token after', 'aaaa.bbbb.cccc dddd'],
    ['a letter that only looks like one of ours', 'aaaa.bbbb.сccc'],
  ])('%s is no token', (_, token) => {
    expect(split(token)).toBe(INVALID);
  });

  const places = ['header', 'payload', 'signature'] as const;
  const at = (place: (typeof places)[number], segment: string) =>
    places.map((each) => (each === place ? segment : 'aaaa')).join('.');

  test.each(places)('a %s has one spelling: the bits beyond its last byte are zero', (place) => {
    for (const [bytes, count] of [
      [1, 4],
      [2, 16],
      [3, 64],
    ] as const) {
      const start = encode(Buffer.alloc(bytes, 0xff)).slice(0, -1);
      const accepted = Array.from(ALPHABET).filter((last) => split(at(place, start + last)) !== INVALID);
      const canonical = Array.from(ALPHABET).filter(
        (last) => encode(Buffer.from(start + last, 'base64url')) === start + last,
      );
      expect(accepted).toEqual(canonical);
      expect(accepted).toHaveLength(count);
    }
  });

  test.each(places)('a %s has no last character that holds no byte', (place) => {
    const accepted = Array.from(ALPHABET).filter((last) => split(at(place, `aaaa${last}`)) !== INVALID);
    expect(accepted).toEqual([]);
  });
});

describe('the size', () => {
  const header = 'a'.repeat(1024);
  test.each<[title: string, token: string, accepted: boolean]>([
    ['a token of 8192 characters', `aaaa.${'b'.repeat(8192 - 10)}.cccc`.replace('bb.', 'bA.'), true],
    ['a token of 8193 characters', `aaaa.${'b'.repeat(8193 - 10)}.cccc`.replace('bb.', 'bA.'), false],
    ['a header of 1024 characters', `${header}.bbbb.cccc`, true],
    ['a header of 1026 characters', `${header}aA.bbbb.cccc`, false],
    ['a payload of 1026 characters', `aaaa.${header}aA.cccc`, true],
  ])('%s: accepted is %p', (_, token, accepted) => {
    expect(split(token) !== INVALID).toBe(accepted);
  });
});

describe('a segment', () => {
  test.each<[title: string, json: string, value: unknown]>([
    ['an object', '{"a":1,"b":[{"a":2}],"c":"ü"}', { a: 1, b: [{ a: 2 }], c: 'ü' }],
    ['an object with white space', ' {\n"a" : 1 }\t', { a: 1 }],
    ['a value that is no object, for the rules to refuse', '5', 5],
    ['null', 'null', null],
    ['a text', '"a:b"', 'a:b'],
    ['a list of nothing', '[]', []],
  ])('%s is read', (_, json, value) => {
    expect(read(json)).toEqual(value);
  });

  test.each<[title: string, json: string | Buffer]>([
    ['half an object', '{"a":1'],
    ['something after the object', '{"a":1}}'],
    ['a comma too many', '{"a":1,}'],
    ['a comment', '{"a":1}//'],
    ['a name without quotes', '{a:1}'],
    ['not a number', '{"a":NaN}'],
    ['a byte-order mark', '\uFEFF{"a":1}'],
    [
      'a byte that is no UTF-8',
      Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xff]), Buffer.from('"}')]),
    ],
    [
      'an overlong spelling',
      Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xc0, 0xaf]), Buffer.from('"}')]),
    ],
    ['half a character', Buffer.from('{"a":"ü').subarray(0, -1)],
    ['UTF-16', Buffer.from('{"a":1}', 'utf16le')],
  ])('%s is invalid', (_, json) => {
    expect(read(json)).toBe(INVALID);
  });
});

describe('each member once', () => {
  test.each<[title: string, json: string]>([
    ['a name twice', '{"sub":"alice","sub":"mallory"}'],
    ['a name twice with one value', '{"sub":"alice","sub":"alice"}'],
    ['a name twice, far apart', '{"sub":"alice","roles":[{"a":1}],"deep":{"er":{}},"sub":"mallory"}'],
    ['a name twice, once with an escape', '{"sub":"alice","s\\u0075b":"mallory"}'],
    ['a name twice after an escaped quote', '{"a":"\\"","sub":"alice","sub":"mallory"}'],
    ['a name twice after an escaped backslash', '{"a":"\\\\","sub":"alice","sub":"mallory"}'],
    ['a name twice after three backslashes and a quote', '{"a":"\\\\\\"","sub":1,"sub":2}'],
    ['a name twice between braces in a text', '{"a":"{","sub":1,"sub":2,"b":"}"}'],
    ['a name twice between brackets in a text', '{"a":"[","sub":1,"sub":2,"b":"]"}'],
    ['an empty name twice', '{"":1,"":2}'],
    ['a prototype twice', '{"__proto__":1,"__proto__":2}'],
    ['a name three times', '{"a":1,"a":2,"a":3}'],
    ['a name twice with white space', '{ "a" : 1 , "a" : 2 }'],
  ])('%s is invalid', (_, json) => {
    expect(() => JSON.parse(json)).not.toThrow();
    expect(read(json)).toBe(INVALID);
  });

  test.each<[title: string, json: string]>([
    ['below the outermost object', '{"a":{"b":1,"b":2}}'],
    ['in a list below it', '{"a":[{"b":1,"b":2}]}'],
    ['outside and inside', '{"a":{"a":1},"b":[{"a":1}]}'],
    ['a colon in a text', '{"a":"b:c","d:e":":"}'],
    ['a quote and a colon in a text', '{"a":"\\":\\"","b":"\\\\"}'],
    ['an empty object', '{}'],
    ['an empty text', '{"":""}'],
    ['braces in a name', '{"{":1,"}":2,"[":3,"]":4}'],
  ])('a name may come again: %s', (_, json) => {
    expect(read(json)).toEqual(JSON.parse(json));
  });

  /** What gives JSON its structure, and what it escapes. */
  const unit = fc.constantFrom(...Array.from('"\\{}[]:,/ \n\0aü\u2028\ud83d'));
  const objects = fc
    .dictionary(fc.string({ unit }), fc.jsonValue({ maxDepth: 3, stringUnit: unit }), { maxKeys: 6 })
    .map((value) => JSON.parse(JSON.stringify(value)) as Record<string, unknown>);

  test('any object is read as it was written, whatever its names and texts hold', () => {
    fc.assert(
      fc.property(objects, fc.constantFrom(0, 1), (value, indent) => {
        expect(read(JSON.stringify(value, null, indent))).toEqual(value);
      }),
    );
  });

  test('any object with one of its names again is invalid, wherever that stands', () => {
    fc.assert(
      fc.property(objects, fc.nat(), fc.nat(), fc.string({ unit }), (value, which, where, text) => {
        const members = Object.entries(value).map((member) => member.map((part) => JSON.stringify(part)));
        fc.pre(members.length > 0);
        const again = [members[which % members.length]![0]!, JSON.stringify(text)];
        members.splice(where % (members.length + 1), 0, again);
        expect(read(`{${members.map((member) => member.join(':')).join(',')}}`)).toBe(INVALID);
      }),
    );
  });
});
