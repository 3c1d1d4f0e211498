import { createHmac, generateKeyPairSync, hkdfSync, randomBytes } from 'node:crypto';
import { KeyEncryption } from '../libs/auth/src/jwt/key-encryption.js';

const secret = randomBytes(32);
const encryption = new KeyEncryption([{ id: 7, secret }]);
const next = { id: 8, secret: randomBytes(32) };
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

describe('an authenticator', () => {
  const key = { kid: 'kid', algorithm: 'ES256' };
  const authenticator = encryption.authenticate(key);

  test('is the id of its key and an HMAC, as docs/protocol.md writes it down', () => {
    const macKey = Buffer.from(hkdfSync('sha256', secret, '', 'token-family signing key authentication', 32));
    const mac = createHmac('sha256', macKey).update('["token-family signing key","kid","ES256"]').digest();
    expect(authenticator).toEqual(Buffer.concat([Buffer.from([7]), mac]));
    expect(encryption.verify(key, authenticator)).toBe('sound');
  });

  test.each([
    ['another kid', { ...key, kid: 'other' }],
    ['another algorithm', { ...key, algorithm: 'RS256' }],
    ['the same text, parted elsewhere', { kid: 'kidE', algorithm: 'S256' }],
    ['the same text, its parts quoted alike', { kid: 'kid","ES256', algorithm: '' }],
  ])('speaks for no key with %s', (_, other) => {
    expect(encryption.verify(other, authenticator)).toBe('unsound');
  });

  test('of another secret under the same id is none', () => {
    const other = new KeyEncryption([{ id: 7, secret: randomBytes(32) }]);
    expect(encryption.verify(key, other.authenticate(key))).toBe('unsound');
  });

  test('is none when any one byte of it has changed, and of another configuration when that is the id', () => {
    for (const at of authenticator.keys()) {
      const changed = Buffer.from(authenticator);
      changed[at]! ^= 1;
      expect(encryption.verify(key, changed)).toBe(at === 0 ? 'foreign' : 'unsound');
    }
  });

  test.each([0, 1, 17, 32, 34])('of %i bytes is none', (length) => {
    const cut = Buffer.concat([authenticator, Buffer.alloc(1)]).subarray(0, length);
    expect(encryption.verify(key, cut)).toBe('unsound');
  });

  test('is made under the first key-encryption key, and sound under each', () => {
    const both = new KeyEncryption([next, { id: 7, secret }]);
    expect(both.authenticate(key)[0]).toBe(8);
    expect(both.verify(key, authenticator)).toBe('sound');
    expect(encryption.verify(key, both.authenticate(key))).toBe('foreign');
  });
});

describe('an authenticator of a revoked key', () => {
  const key = { kid: 'kid', algorithm: 'ES256' };
  const authenticator = encryption.authenticateRevoked(key);

  test('says so, and is else as docs/protocol.md writes the other down', () => {
    const macKey = Buffer.from(hkdfSync('sha256', secret, '', 'token-family signing key authentication', 32));
    const message = '["token-family signing key revoked","kid","ES256"]';
    const mac = createHmac('sha256', macKey).update(message).digest();
    expect(authenticator).toEqual(Buffer.concat([Buffer.from([7]), mac]));
    expect(encryption.verifyRevoked(key, authenticator)).toBe('sound');
  });

  test('is none of a key that is not revoked, nor the other way round', () => {
    expect(encryption.verify(key, authenticator)).toBe('unsound');
    expect(encryption.verifyRevoked(key, encryption.authenticate(key))).toBe('unsound');
  });

  test.each([
    ['another kid', { ...key, kid: 'other' }],
    ['another algorithm', { ...key, algorithm: 'RS256' }],
  ])('speaks for no key with %s', (_, other) => {
    expect(encryption.verifyRevoked(other, authenticator)).toBe('unsound');
  });

  test('is made under the first key-encryption key, and sound under each', () => {
    const both = new KeyEncryption([next, { id: 7, secret }]);
    expect(both.authenticateRevoked(key)[0]).toBe(8);
    expect(both.verifyRevoked(key, authenticator)).toBe('sound');
    expect(encryption.verifyRevoked(key, both.authenticateRevoked(key))).toBe('foreign');
  });
});

describe('several key-encryption keys', () => {
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
