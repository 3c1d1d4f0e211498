import { randomUUID } from 'node:crypto';
import { parseFeedPage, type FeedPage } from '../../libs/auth/src/revocation/feed-page.js';

const parse = (text: string): FeedPage => parseFeedPage(Buffer.from(text, 'latin1'));
const [A, B] = [randomUUID(), randomUUID()];
const NO_PAGE = 'The answer is no page of sids';

describe('a page is', () => {
  test.each<[string, FeedPage]>([
    ['{"sids":[]}', { sids: [], next: null }],
    [`{"sids":["${A}"]}`, { sids: [A], next: null }],
    [`{"sids":["${A}","${B}","${A}"]}`, { sids: [A, B, A], next: null }],
    ['{"sids":[],"next":0}', { sids: [], next: 0 }],
    [`{"sids":["${A}"],"next":1764000000123}`, { sids: [A], next: 1_764_000_000_123 }],
    [`{"sids":["${A}","${B}"],"next":1764000000123.457}`, { sids: [A, B], next: 1_764_000_000_123.457 }],
  ])('%s', (text, page) => {
    expect(parse(text)).toEqual(page);
    // As any parser of JSON reads it.
    expect(JSON.parse(text)).toEqual(page.next === null ? { sids: page.sids } : page);
  });

  test('what JSON makes of any time there is', () => {
    for (const next of [0.5, 1, 999_999_999_999_999, 1_764_000_000_123.0002, 0.000_001]) {
      expect(parse(JSON.stringify({ sids: [A], next }))).toEqual({ sids: [A], next });
    }
  });
});

describe('no page is', () => {
  const good = `{"sids":["${A}","${B}"],"next":12.5}`;
  test.each([...Array(good.length).keys()])('a good one cut off after %i bytes', (length) => {
    expect(() => parse(good.slice(0, length))).toThrow(NO_PAGE);
  });

  test('a good one with any one byte left out, doubled or changed, unless it means another number', () => {
    const isNumber = (text: string): boolean => /^\{"sids":\[.*\],"next":\d+(?:\.\d+)?\}$/.test(text);
    for (let at = 0; at < good.length; at++) {
      const [before, byte, after] = [good.slice(0, at), good[at]!, good.slice(at + 1)];
      for (const middle of ['', byte + byte, ' ', 'g', 'A', '\0', '\\', '\xe9', '"', ',', ']', '{']) {
        const text = before + middle + after;
        const inNumber = at >= good.indexOf('12.5');
        if (text === good || (inNumber && isNumber(text))) continue;
        expect(() => parse(text)).toThrow(NO_PAGE);
      }
    }
  });

  test.each([
    [''],
    ['null'],
    ['[]'],
    ['{}'],
    ['{"sids":{}}'],
    ['{"sids":null}'],
    [`{"sids":[["${A}"]]}`],
    [`{"sids":[${A}]}`],
    [`{"sids":["${A}",]}`],
    [`{"sids":[,"${A}"]}`],
    [`{"sids":["${A}""${B}"]}`],
    [`{"sids":["${A}";"${B}"]}`],
    [`{"sids":["${A.toUpperCase()}g"]}`],
    [`{"sids":["${A}0"]}`],
    [`{"sids":["${A.slice(1)}"]}`],
    [`{"sids":["${A}"], "next":1}`],
    [`{"sids": ["${A}"]}`],
    [`{"sids":["${A}"]}\n`],
    [`\n{"sids":["${A}"]}`],
    [`\xef\xbb\xbf{"sids":["${A}"]}`],
    [`{"next":1,"sids":["${A}"]}`],
    [`{"sids":["${A}"],"next":1,"next":2}`],
    [`{"sids":["${A}"],"more":1}`],
    [`{"sids":["${A}"],"sids":[]}`],
    ['{"sids":[],"next":null}'],
    ['{"sids":[],"next":"1"}'],
    ['{"sids":[],"next":-1}'],
    ['{"sids":[],"next":1e9}'],
    ['{"sids":[],"next":1.}'],
    ['{"sids":[],"next":.5}'],
    ['{"sids":[],"next":NaN}'],
    ['{"sids":[],"next":Infinity}'],
    [`{"sids":[],"next":1${'0'.repeat(15)}}`],
    [`{"sids":[],"next":1.${'0'.repeat(21)}}`],
  ])('%s', (text) => {
    expect(() => parse(text)).toThrow(NO_PAGE);
  });
});

describe('a mebibyte of anything is refused, or read, in a time that does not depend on what it is:', () => {
  const SIZE = 1024 * 1024;
  const fill = (text: string): string => text.repeat(Math.ceil(SIZE / text.length)).slice(0, SIZE);
  const sids = `"${A}",`;
  test.each<[string, string]>([
    ['brackets', fill('[')],
    ['nested lists in the place of sids', `{"sids":${fill('[')}`],
    ['nested objects', fill('{"sids":')],
    ['heads of pages', fill('{"sids":["')],
    ['empty objects', fill('{}')],
    ['quotes', `{"sids":[${fill('"')}`],
    ['sids that never end', `{"sids":[${fill(sids)}`],
    ['sids with one wrong digit at their very end', `{"sids":[${fill(sids)}"${A.slice(0, -1)}g"]}`],
    ['sids of 37 digits', `{"sids":[${fill(`"${A}0",`)}]}`],
    ['digits', `{"sids":[],"next":${fill('1')}}`],
    ['white space', `{"sids":[]${fill(' ')}}`],
    ['a page with as much behind it', `{"sids":["${A}"]}${fill(' ')}`],
  ])('%s', (_, text) => {
    const bytes = Buffer.from(text, 'latin1');
    const began = performance.now();
    expect(() => parseFeedPage(bytes)).toThrow(NO_PAGE);
    expect(performance.now() - began).toBeLessThan(2000);
  });

  test('each sid is looked at once, and none after the first that is wrong', () => {
    const bytes = Buffer.from(`{"sids":[${sids.repeat(1000)}"x",${sids.repeat(1000)}`);
    const looks = jest.spyOn(bytes, 'toString');
    expect(() => parseFeedPage(bytes)).toThrow(NO_PAGE);
    expect(looks).toHaveBeenCalledTimes(1001);
  });
});
