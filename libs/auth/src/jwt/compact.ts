import { InvalidTokenError } from '../core/errors.js';

/** 8 KiB bounds what a stranger can make us parse; a header of ours has about 100 bytes. */
const MAX_TOKEN_LENGTH = 8192;
const MAX_HEADER_LENGTH = 1024;
const SHAPE = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/**
 * Reads the header of a compact JWS that has one spelling only: three segments of base64url without padding,
 * foreign characters or slack bits. The libraries below accept several spellings of one token.
 *
 * Not yet true at this point: that anybody signed it.
 *
 * @throws {InvalidTokenError} not such a text
 * @see RFC 7515 section 7.1, RFC 8725 section 3.10
 */
export function readCompactHeader(token: string): unknown {
  if (token.length > MAX_TOKEN_LENGTH || !SHAPE.test(token))
    throw new InvalidTokenError('ERR_ACCESS_TOKEN_INVALID');
  const segments = token.split('.');
  if (segments[0]!.length > MAX_HEADER_LENGTH || !segments.every(isCanonical)) {
    throw new InvalidTokenError('ERR_ACCESS_TOKEN_INVALID');
  }
  try {
    return JSON.parse(decodeUtf8(segments[0]!));
  } catch (cause) {
    throw new InvalidTokenError('ERR_ACCESS_TOKEN_INVALID', { cause });
  }
}

const LAST_CHARACTERS = ['', '', 'AQgw', 'AEIMQUYcgkosw048'] as const;

/** No bit beyond the last whole byte may be set, RFC 4648 section 3.5; a lone last character holds no byte. */
function isCanonical(segment: string): boolean {
  const rest = segment.length % 4;
  return rest === 0 || (rest !== 1 && LAST_CHARACTERS[rest]!.includes(segment.at(-1)!));
}

/** A byte-order mark or a byte that is no UTF-8 is an error, where `toString()` would drop or replace it. */
function decodeUtf8(segment: string): string {
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(segment, 'base64url'));
}
