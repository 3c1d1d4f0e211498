import { randomFillSync } from 'node:crypto';

/**
 * Writes a fresh UUIDv7 into `target` at `offset` (16 bytes).
 *
 * @param now milliseconds since the epoch; becomes the leading 48 bits, so that order by id is order by time
 * @see RFC 9562 section 5.7
 */
export function writeUuidV7(target: Buffer, offset: number, now: number): void {
  randomFillSync(target, offset + 6, 10);
  target.writeUIntBE(Math.floor(now), offset, 6);
  target[offset + 6] = (target[offset + 6]! & 0x0f) | 0x70;
  target[offset + 8] = (target[offset + 8]! & 0x3f) | 0x80;
}

/** The 36-character text form of the 16 bytes at `offset`. */
export function readUuid(source: Buffer, offset: number): string {
  const hex = source.toString('hex', offset, offset + 16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** True for the lower-case text form of any UUID: what may be handed to a `uuid` column without an error. */
export function isUuid(text: unknown): text is string {
  return typeof text === 'string' && UUID.test(text);
}
