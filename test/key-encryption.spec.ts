import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { KeyEncryption } from '../libs/auth/src/jwt/key-encryption.js';

const secret = randomBytes(32);
const encryption = new KeyEncryption([{ id: 7, secret }]);
const NONCE = 12;
const TAG = 16;

function der(): Buffer {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
    type: 'pkcs8',
    format: 'der',
  });
}

describe('a sealed private key', () => {
  test('opens under its kid to the very bytes', () => {
    const plain = der();
    expect(encryption.open('kid', encryption.seal('kid', Buffer.from(plain)))).toEqual(plain);
  });

  test('is key id, nonce, ciphertext and tag, and holds no plain text', () => {
    const plain = der();
    const sealed = encryption.seal('kid', Buffer.from(plain));
    expect(sealed).toHaveLength(1 + NONCE + plain.length + TAG);
    expect(sealed[0]).toBe(7);
    for (let at = 0; at + 8 <= plain.length; at++) {
      expect(sealed.includes(plain.subarray(at, at + 8))).toBe(false);
    }
  });

  test('is never the same twice', () => {
    const plain = der();
    const seals = Array.from({ length: 100 }, () => encryption.seal('kid', Buffer.from(plain)));
    expect(new Set(seals.map((sealed) => sealed.toString('hex', 1, 1 + NONCE))).size).toBe(100);
  });

  test('leaves no plain text behind in what was given to be sealed', () => {
    const plain = der();
    encryption.seal('kid', plain);
    expect(plain.every((byte) => byte === 0)).toBe(true);
  });

  test('opens under no other kid', () => {
    expect(() => encryption.open('other', encryption.seal('kid', der()))).toThrow(/does not open/);
  });

  test('opens with no other secret of the same id', () => {
    const other = new KeyEncryption([{ id: 7, secret: randomBytes(32) }]);
    expect(() => other.open('kid', encryption.seal('kid', der()))).toThrow(
      /key-encryption key 7 has another/,
    );
  });

  test('does not open when any one byte of it has changed', () => {
    const sealed = encryption.seal('kid', der());
    for (const at of sealed.keys()) {
      const changed = Buffer.from(sealed);
      changed[at]! ^= 1;
      expect(() => encryption.open('kid', changed)).toThrow(/does not open|not configured/);
    }
  });

  test.each([0, 1, 5, 1 + NONCE + TAG - 1])('cut to %i bytes does not open', (length) => {
    const sealed = encryption.seal('kid', der()).subarray(0, length);
    expect(() => encryption.open('kid', sealed)).toThrow(/cut short|not configured/);
  });

  test('under a key that is not configured names its id, and no secret', () => {
    const other = new KeyEncryption([{ id: 8, secret }]);
    expect(() => other.open('kid', encryption.seal('kid', der()))).toThrow(
      'is sealed under key-encryption key 7, which is not configured',
    );
  });
});

describe('several key-encryption keys', () => {
  const next = { id: 8, secret: randomBytes(32) };

  test('the first one seals, and all of them open', () => {
    const plain = der();
    const sealedBefore = encryption.seal('kid', Buffer.from(plain));
    const both = new KeyEncryption([next, { id: 7, secret }]);
    expect(both.seal('kid', der())[0]).toBe(8);
    expect(both.open('kid', sealedBefore)).toEqual(plain);
  });

  test('a secret may be a text', () => {
    const text = new KeyEncryption([{ id: 1, secret: 'a text of thirty-two bytes, or of more' }]);
    const plain = der();
    expect(text.open('kid', text.seal('kid', Buffer.from(plain)))).toEqual(plain);
  });
});
