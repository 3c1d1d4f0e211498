import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  hkdfSync,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto';
import type { KeyStanding, NewSigningKey } from '../core/key-schedule.js';
import type { KeyEncryptionKey } from '../core/options.js';

const CIPHER = 'aes-256-gcm';
const NONCE_AT = 1;
const NONCE_SIZE = 12;
const CIPHERTEXT_AT = NONCE_AT + NONCE_SIZE;
const TAG_SIZE = 16;
const AUTHENTICATOR_SIZE = 1 + 32;
const MADE = 'token-family signing key';
const REVOKED = 'token-family signing key revoked';

/** What an authenticator speaks for. The `kid` commits to the public key: RFC 7638. */
type Authenticated = Pick<NewSigningKey, 'kid' | 'algorithm'>;

interface DerivedKeys {
  readonly sealing: Buffer;
  readonly authentication: Buffer;
}

/**
 * Seals the private part of a signing key for the database, and opens it again: AES-256-GCM under a key derived from
 * the application's secret, the `kid` as associated data, so that what was sealed for one key opens for no other.
 *
 *     keyEncryptionKeyId 1 ‖ nonce 12 ‖ ciphertext ‖ tag 16
 *
 * A nonce is random: safe for 2³² seals under one secret, and a system makes a handful a year.
 *
 * Authenticates the public part, too, under another key of the same secret, for as long as it verifies:
 *
 *     keyEncryptionKeyId 1 ‖ HMAC-SHA-256( JSON of [ "token-family signing key", kid, algorithm ] ) 32
 *
 * From its revocation on a key has one over "token-family signing key revoked" in its place, so that whoever finds the
 * row cannot make it verify again.
 *
 * @see NIST SP 800-38D section 8.3
 */
export class KeyEncryption {
  readonly #keys: ReadonlyMap<number, DerivedKeys>;
  readonly #sealingKeyId: number;

  /** @param keys validated; the first one seals, all of them open */
  constructor(keys: readonly KeyEncryptionKey[]) {
    this.#keys = new Map(keys.map(({ id, secret }) => [id, deriveKeys(secret)]));
    this.#sealingKeyId = keys[0]!.id;
  }

  /** @param privateKey PKCS #8 in DER; overwritten with zeros */
  seal(kid: string, privateKey: Buffer): Buffer {
    const nonce = randomBytes(NONCE_SIZE);
    const cipher = createCipheriv(CIPHER, this.#keys.get(this.#sealingKeyId)!.sealing, nonce);
    const ciphertext = cipher.setAAD(Buffer.from(kid)).update(privateKey);
    privateKey.fill(0);
    const rest = cipher.final();
    return Buffer.concat([Buffer.from([this.#sealingKeyId]), nonce, ciphertext, rest, cipher.getAuthTag()]);
  }

  /**
   * @returns PKCS #8 in DER; for the caller to overwrite
   * @throws {Error} it does not open; says why, and nothing of what it holds
   */
  open(kid: string, sealed: Buffer): Buffer {
    const id = sealed[0];
    const key = id === undefined ? undefined : this.#keys.get(id);
    if (!key) throw new Error(`is sealed under key-encryption key ${id}, which is not configured`);
    if (sealed.length < CIPHERTEXT_AT + TAG_SIZE) throw new Error('is cut short');
    const nonce = sealed.subarray(NONCE_AT, CIPHERTEXT_AT);
    const decipher = createDecipheriv(CIPHER, key.sealing, nonce, { authTagLength: TAG_SIZE })
      .setAAD(Buffer.from(kid))
      .setAuthTag(sealed.subarray(-TAG_SIZE));
    const opened = decipher.update(sealed.subarray(CIPHERTEXT_AT, -TAG_SIZE));
    try {
      decipher.final();
      return opened;
    } catch {
      opened.fill(0);
      throw new Error(
        `does not open: key-encryption key ${id} has another secret than it was sealed under, or the row was changed`,
      );
    }
  }

  /** @returns what `verify` finds sound for this `kid` and algorithm, and for no other */
  authenticate(key: Authenticated): Buffer {
    return this.#authenticate(MADE, key);
  }

  /** @returns what `verifyRevoked` finds sound for this `kid` and algorithm, and `verify` for none */
  authenticateRevoked(key: Authenticated): Buffer {
    return this.#authenticate(REVOKED, key);
  }

  /** @returns `foreign` when the key-encryption key it names is not configured: nobody here can tell */
  verify(key: Authenticated, authenticator: Buffer): KeyStanding {
    return this.#verify(MADE, key, authenticator);
  }

  /** As `verify`, for what `authenticateRevoked` makes. */
  verifyRevoked(key: Authenticated, authenticator: Buffer): KeyStanding {
    return this.#verify(REVOKED, key, authenticator);
  }

  #authenticate(statement: string, key: Authenticated): Buffer {
    const { authentication } = this.#keys.get(this.#sealingKeyId)!;
    return Buffer.concat([Buffer.from([this.#sealingKeyId]), mac(authentication, statement, key)]);
  }

  #verify(statement: string, key: Authenticated, authenticator: Buffer): KeyStanding {
    if (authenticator.length !== AUTHENTICATOR_SIZE) return 'unsound';
    const keys = this.#keys.get(authenticator[0]!);
    if (!keys) return 'foreign';
    const expected = mac(keys.authentication, statement, key);
    return timingSafeEqual(authenticator.subarray(1), expected) ? 'sound' : 'unsound';
  }
}

/** JSON, as texts behind each other could be parted in several ways. */
function mac(key: Buffer, statement: string, { kid, algorithm }: Authenticated): Buffer {
  const message = JSON.stringify([statement, kid, algorithm]);
  return createHmac('sha256', key).update(message).digest();
}

/** The secret serves for nothing else (RFC 5869), should an application hand one secret to several uses. */
function deriveKeys(secret: string | Uint8Array): DerivedKeys {
  const derive = (purpose: string) =>
    Buffer.from(hkdfSync('sha256', secret, '', `token-family signing key ${purpose}`, 32));
  return { sealing: derive('encryption'), authentication: derive('authentication') };
}
