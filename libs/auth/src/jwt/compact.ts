import { isUtf8 } from 'node:buffer';
import { InvalidTokenError } from '../core/errors.js';
import { hasOneOfEach } from './json-members.js';

/** A compact JWS taken apart: nothing of it is verified yet. */
export interface CompactToken {
  /** base64url, as it stands in the token */
  readonly header: string;
  /** what the signature is over, `header.payload` */
  readonly signed: string;
  readonly payload: string;
  readonly signature: string;
}

/** 8 KiB bounds what a stranger can make us parse; a header of ours has about 100 bytes. */
const MAX_TOKEN_LENGTH = 8192;
const MAX_HEADER_LENGTH = 1024;
const SHAPE = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/**
 * Takes a compact JWS apart that has one spelling only: three segments of base64url without padding, foreign
 * characters or slack bits. JWT libraries accept several spellings of one token.
 *
 * Not yet true at this point: that anybody signed it.
 *
 * @throws {InvalidTokenError} not such a text
 * @see RFC 7515 section 7.1, RFC 8725 section 3.10
 */
export function splitCompact(token: string): CompactToken {
  if (token.length > MAX_TOKEN_LENGTH || !SHAPE.test(token)) throw invalid();
  const first = token.indexOf('.');
  const second = token.lastIndexOf('.');
  const header = token.slice(0, first);
  const payload = token.slice(first + 1, second);
  const signature = token.slice(second + 1);
  if (first > MAX_HEADER_LENGTH || !isCanonical(header) || !isCanonical(payload) || !isCanonical(signature)) {
    throw invalid();
  }
  return { header, signed: token.slice(0, second), payload, signature };
}

/**
 * Reads a segment as JSON in UTF-8, each member once: a byte-order mark, a byte that is no UTF-8 or a second `sub`
 * is an error, where the parsers below would drop, replace or choose.
 *
 * @throws {InvalidTokenError} anything else
 * @see RFC 7519 section 4, RFC 8259 section 8.1
 */
export function readSegment(segment: string): unknown {
  const bytes = Buffer.from(segment, 'base64url');
  if (!isUtf8(bytes)) throw invalid();
  const text = bytes.toString();
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's reason quotes the text, so it is not kept.
    throw invalid();
  }
  if (!hasOneOfEach(value, text)) throw invalid();
  return value;
}

const LAST_CHARACTERS = ['', '', 'AQgw', 'AEIMQUYcgkosw048'] as const;

/** No bit beyond the last whole byte may be set, RFC 4648 section 3.5; a lone last character holds no byte. */
function isCanonical(segment: string): boolean {
  const rest = segment.length % 4;
  return rest === 0 || (rest !== 1 && LAST_CHARACTERS[rest]!.includes(segment.at(-1)!));
}

function invalid(): InvalidTokenError {
  return new InvalidTokenError('ERR_ACCESS_TOKEN_INVALID');
}
