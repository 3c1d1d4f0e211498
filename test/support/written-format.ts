import { createHash, createHmac, hkdfSync } from 'node:crypto';

/*
 * Refresh tokens as docs/protocol.md writes them down, from node:crypto alone: a second opinion on the codec, and
 * the workshop of somebody who has stolen a key.
 */

export interface Key {
  readonly id: number;
  readonly secret: string | Uint8Array;
}

export interface Fields {
  /** 16 bytes */
  readonly familyId: Buffer;
  readonly generation: number;
  /** 16 bytes */
  readonly root: Buffer;
  /** 16 bytes */
  readonly step: Buffer;
}

/** The text form, with a real tag. */
export function write({ id, secret }: Key, fields: Fields): string {
  const untagged = Buffer.concat([Buffer.from([id]), body(fields)]);
  return `rt1_${Buffer.concat([untagged, hmac(derive(secret, 'tag'), untagged)]).toString('base64url')}`;
}

export function read(text: string): Fields {
  const bytes = Buffer.from(text.slice(4), 'base64url');
  return {
    familyId: bytes.subarray(1, 17),
    generation: bytes.readUInt32BE(17),
    root: bytes.subarray(21, 37),
    step: bytes.subarray(37, 53),
  };
}

export function next({ secret }: Key, fields: Fields): Fields {
  const following = { ...fields, generation: fields.generation + 1 };
  return { ...following, step: hmac(derive(secret, 'chain'), body(following)) };
}

export function sha256(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes).digest();
}

function body({ familyId, generation, root, step }: Fields): Buffer {
  const counter = Buffer.alloc(4);
  counter.writeUInt32BE(generation);
  return Buffer.concat([familyId, counter, root, step]);
}

function derive(secret: string | Uint8Array, use: 'chain' | 'tag'): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', `token-family rt1 ${use}`, 32));
}

function hmac(key: Buffer, bytes: Buffer): Buffer {
  return createHmac('sha256', key).update(bytes).digest().subarray(0, 16);
}
