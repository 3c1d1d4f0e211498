import { createHmac, hash, hkdfSync, randomFillSync, timingSafeEqual } from 'node:crypto';
import { InvalidGrantError, UnavailableError } from './errors.js';
import { readUuid, writeUuidV7 } from './uuid.js';

/** One of the secrets refresh tokens are made with. The first of a list is active, the others verify. */
export interface RefreshTokenKey {
  /** 0 to 255; ids ascend: a new key takes the next one */
  readonly id: number;
  /** at least 32 bytes of random material */
  readonly secret: string | Uint8Array;
}

/** A refresh token that carries our tag: not yet known to be living, or even to exist. */
export interface RefreshTokenParts {
  /** as the client sent it, 96 characters */
  readonly text: string;
  /** what the text encodes; a secret as the text is */
  readonly bytes: Buffer;
  readonly keyId: number;
  readonly familyId: string;
  readonly generation: number;
  readonly rootHash: Buffer;
  readonly stepHash: Buffer;
}

/*
 * rt1_ + base64url( keyId 1 | familyId 16 | generation 4 | root 16 | step 16 | tag 16 ), 69 bytes.
 * 69 is a multiple of 3: the text form has neither padding nor slack bits, so a token has one spelling.
 */
const PREFIX = 'rt1_';
const FAMILY_AT = 1;
const GENERATION_AT = 17;
const ROOT_AT = 21;
const STEP_AT = 37;
const TAG_AT = 53;
const SIZE = 69;
const SECRET_SIZE = 16;
const TEXT = /^rt1_[A-Za-z0-9_-]{92}$/;
const GENERATION_LIMIT = 2 ** 31;

interface DerivedKeys {
  readonly chain: Buffer;
  readonly tag: Buffer;
}

/**
 * Makes, reads and continues refresh tokens: a keyed hash chain per family.
 *
 * The successor of a token is a pure function of that token, so every node answers a repeated request with the
 * same bytes and nothing has to be stored for it. What the database keeps are SHA-256 hashes of root and step;
 * they mint nothing, with or without the keys.
 */
export class RefreshTokenCodec {
  readonly #keys = new Map<number, DerivedKeys>();
  readonly #highestKeyId: number;
  readonly activeKeyId: number;

  /** @param keys validated: distinct ids, the active one first */
  constructor(keys: readonly RefreshTokenKey[]) {
    for (const { id, secret } of keys) this.#keys.set(id, deriveKeys(secret));
    this.activeKeyId = keys[0]!.id;
    this.#highestKeyId = Math.max(...this.#keys.keys());
  }

  /**
   * The first token of a new family, under the active key.
   *
   * @param now milliseconds since the epoch, for the order of family ids only
   */
  first(now: number): RefreshTokenParts {
    const bytes = Buffer.allocUnsafe(SIZE);
    bytes[0] = this.activeKeyId;
    writeUuidV7(bytes, FAMILY_AT, now);
    bytes.writeUInt32BE(0, GENERATION_AT);
    randomFillSync(bytes, ROOT_AT, 2 * SECRET_SIZE);
    return this.#seal(bytes, this.activeKeyId, identityOf(bytes));
  }

  /**
   * Reads a token and proves that one of our keys made it. Costs one HMAC and no query.
   *
   * Not yet true at this point: that the family exists, lives, or ever held this token.
   *
   * @throws {InvalidGrantError} not a token of ours: wrong shape, wrong tag, or a key id that is not configured
   * @throws {UnavailableError} made with the next key id, which a newer deployment knows
   */
  decode(text: string): RefreshTokenParts {
    if (typeof text !== 'string' || !TEXT.test(text))
      throw new InvalidGrantError('ERR_REFRESH_TOKEN_MALFORMED');
    const bytes = Buffer.from(text.slice(PREFIX.length), 'base64url');
    if (bytes.readUInt32BE(GENERATION_AT) >= GENERATION_LIMIT) {
      throw new InvalidGrantError('ERR_REFRESH_TOKEN_MALFORMED');
    }
    const keys = this.#keys.get(bytes[0]!);
    if (!keys) throw this.#unknownKey(bytes[0]!);
    if (!timingSafeEqual(tagOf(bytes, keys), bytes.subarray(TAG_AT))) {
      throw new InvalidGrantError('ERR_REFRESH_TOKEN_FORGED');
    }
    return describe(text, bytes, identityOf(bytes));
  }

  /**
   * The one token that follows `token`, encoded under `keyId`.
   *
   * The chain goes on with the presented token's own key whatever key is active, so a retry across a change of
   * keys finds the same step.
   *
   * @throws {UnavailableError} `keyId` is not configured on this node
   */
  successor(token: RefreshTokenParts, keyId = this.activeKeyId): RefreshTokenParts {
    if (!this.#keys.has(keyId)) throw new UnavailableError('ERR_REFRESH_TOKEN_KEY_UNKNOWN');
    const bytes = Buffer.from(token.bytes);
    bytes.writeUInt32BE(token.generation + 1, GENERATION_AT);
    createHmac('sha256', this.#keys.get(token.keyId)!.chain)
      .update(bytes.subarray(FAMILY_AT, TAG_AT))
      .digest()
      .copy(bytes, STEP_AT, 0, SECRET_SIZE);
    return this.#seal(bytes, keyId, token);
  }

  #seal(bytes: Buffer, keyId: number, identity: Identity): RefreshTokenParts {
    bytes[0] = keyId;
    tagOf(bytes, this.#keys.get(keyId)!).copy(bytes, TAG_AT);
    return describe(PREFIX + bytes.toString('base64url'), bytes, identity);
  }

  #unknownKey(id: number): Error {
    return id === this.#highestKeyId + 1
      ? new UnavailableError('ERR_REFRESH_TOKEN_KEY_UNKNOWN')
      : new InvalidGrantError('ERR_REFRESH_TOKEN_FORGED');
  }
}

/** SHA-256, the only form in which a secret reaches the database. */
export function sha256(secret: string | Buffer): Buffer {
  return hash('sha256', secret, 'buffer');
}

/** What all tokens of a family have in common. */
type Identity = Pick<RefreshTokenParts, 'familyId' | 'rootHash'>;

function identityOf(bytes: Buffer): Identity {
  return { familyId: readUuid(bytes, FAMILY_AT), rootHash: sha256(bytes.subarray(ROOT_AT, STEP_AT)) };
}

function describe(text: string, bytes: Buffer, { familyId, rootHash }: Identity): RefreshTokenParts {
  return {
    text,
    bytes,
    keyId: bytes[0]!,
    familyId,
    generation: bytes.readUInt32BE(GENERATION_AT),
    rootHash,
    stepHash: sha256(bytes.subarray(STEP_AT, TAG_AT)),
  };
}

function tagOf(bytes: Buffer, keys: DerivedKeys): Buffer {
  return createHmac('sha256', keys.tag).update(bytes.subarray(0, TAG_AT)).digest().subarray(0, SECRET_SIZE);
}

/** Two independent keys from one secret (RFC 5869), so that no tag ever equals a step. */
function deriveKeys(secret: string | Uint8Array): DerivedKeys {
  const derive = (use: string) => Buffer.from(hkdfSync('sha256', secret, '', `token-family rt1 ${use}`, 32));
  return { chain: derive('chain'), tag: derive('tag') };
}
