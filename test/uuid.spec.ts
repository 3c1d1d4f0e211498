import { isUuid, readUuid, writeUuidV7 } from '../libs/auth/src/core/uuid.js';

const NOW = Date.UTC(2026, 0, 1);
const ID = '0194fde8-9abc-7000-8def-000000000001';

/** A fresh id between other bytes, which are 0xff. */
function written(offset: number, now = NOW): Buffer {
  const target = Buffer.alloc(offset + 16 + 3, 0xff);
  writeUuidV7(target, offset, now);
  return target;
}

describe('a UUIDv7, RFC 9562 section 5.7', () => {
  test.each([[0], [1], [7]])('at offset %i fills its 16 bytes and touches no other', (offset) => {
    const target = written(offset);
    expect(target.readUIntBE(offset, 6)).toBe(NOW);
    expect(target.subarray(0, offset)).toEqual(Buffer.alloc(offset, 0xff));
    expect(target.subarray(offset + 16)).toEqual(Buffer.alloc(3, 0xff));
  });

  test('has version 7, variant 10, and 74 bits each of which is random', () => {
    const [ever, always] = [Buffer.alloc(16), Buffer.alloc(16, 0xff)];
    for (let draw = 0; draw < 256; draw++) {
      const id = written(9).subarray(9, 25);
      for (const [at, byte] of id.entries()) {
        ever[at]! |= byte;
        always[at]! &= byte;
      }
    }
    expect(ever.subarray(6).toString('hex')).toBe('7fffbfffffffffffffff');
    expect(always.subarray(6).toString('hex')).toBe('70008000000000000000');
  });

  test('takes whole milliseconds: a fraction is dropped', () => {
    expect(written(0, NOW + 0.9).readUIntBE(0, 6)).toBe(NOW);
  });

  test('is read from where it was written', () => {
    const bytes = Buffer.concat([Buffer.from('ffff', 'hex'), Buffer.from(ID.replaceAll('-', ''), 'hex')]);
    expect(readUuid(bytes, 2)).toBe(ID);
    expect(isUuid(readUuid(written(5), 5))).toBe(true);
  });
});

describe('what may be handed to a uuid column', () => {
  test.each([
    ['of version 7', ID],
    ['of version 4', '1b4e28ba-2fa1-4d1a-883f-0016d3cca427'],
    ['of no bits', '00000000-0000-0000-0000-000000000000'],
    ['of all bits', 'ffffffff-ffff-ffff-ffff-ffffffffffff'],
  ])('a UUID %s', (_, text) => {
    expect(isUuid(text)).toBe(true);
  });

  test.each<[title: string, text: unknown]>([
    ['capitals', ID.toUpperCase()],
    ['no hyphens', ID.replaceAll('-', '')],
    ['braces', `{${ID}}`],
    ['a character before', `0${ID}`],
    ['a character after', `${ID}0`],
    ['a line feed after', `${ID}\n`],
    ['a list of one', [ID]],
    ['an object that reads as one', { toString: () => ID }],
    ['nothing', undefined],
    ['null', null],
  ])('not %s', (_, text) => {
    expect(isUuid(text)).toBe(false);
  });

  test('not a UUID with one of its 36 characters taken away, or changed to what is neither digit nor hyphen', () => {
    const near = Array.from(ID).flatMap((_, at) => [
      ID.slice(0, at) + ID.slice(at + 1),
      `${ID.slice(0, at)}g${ID.slice(at + 1)}`,
    ]);
    expect(near.filter(isUuid)).toEqual([]);
  });
});
