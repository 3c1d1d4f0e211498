import { createHmac, hash, hkdfSync, randomBytes } from 'node:crypto';
import { refreshTokenKey } from '../support/node.js';

/*
 * The layout of a refresh token once more, written from the format and not from the codec:
 * rt1_ + base64url( keyId 1 | familyId 16 | generation 4 | root 16 | step 16 | tag 16 ).
 */
const ROOT_AT = 21;
const STEP_AT = 37;
const TAG_AT = 53;

export interface Changes {
  /** replaces the root by random bytes */
  readonly root?: boolean;
  /** replaces the step by random bytes */
  readonly step?: boolean;
  /** added to the generation */
  readonly ahead?: number;
  /** leaves a tag that is nobody's: what can be made without the key */
  readonly tag?: boolean;
}

/** What somebody who has stolen the key makes of a real token: good to the tag, and never issued. */
export function forge(real: string, { root, step, ahead = 0, tag }: Changes): string {
  const bytes = bytesOf(real);
  bytes.writeUInt32BE(bytes.readUInt32BE(17) + ahead, 17);
  if (root) randomBytes(16).copy(bytes, ROOT_AT);
  if (step) randomBytes(16).copy(bytes, STEP_AT);
  if (tag) randomBytes(16).copy(bytes, TAG_AT);
  else tagOf(bytes.subarray(0, TAG_AT)).copy(bytes, TAG_AT);
  return `rt1_${bytes.toString('base64url')}`;
}

export interface TokenSecrets {
  readonly root: Buffer;
  readonly step: Buffer;
  readonly tag: Buffer;
  readonly stepHash: string;
  readonly generation: number;
}

export function secretsOf(token: string): TokenSecrets {
  const bytes = bytesOf(token);
  const step = bytes.subarray(STEP_AT, TAG_AT);
  return {
    root: bytes.subarray(ROOT_AT, STEP_AT),
    step,
    tag: bytes.subarray(TAG_AT),
    stepHash: hash('sha256', step, 'hex'),
    generation: bytes.readUInt32BE(17),
  };
}

function bytesOf(token: string): Buffer {
  return Buffer.from(token.slice('rt1_'.length), 'base64url');
}

function tagOf(bytes: Buffer): Buffer {
  const key = Buffer.from(hkdfSync('sha256', refreshTokenKey.secret, '', 'token-family rt1 tag', 32));
  return createHmac('sha256', key).update(bytes).digest().subarray(0, 16);
}
