import type { HttpRequest } from '../access/http-request.js';
import { InvalidRequestError } from '../core/errors.js';

export const FORM = 'application/x-www-form-urlencoded';
export const JSON_OR_FORM = ['application/json', FORM];

/** Of a body; the longest honest one names a token, a client and its secret. */
const MAX_BYTES = 8192;

/** What a request says, name by name; not yet true at this point: that a value is a text. */
export type Fields = Readonly<Record<string, unknown>>;

/**
 * The fields of a body that the application's parser has read; none without a body.
 *
 * @param types the media types that are taken, in lower case
 * @throws {InvalidRequestError} 413 more than 8,192 bytes; 415 another type, as every form of another site that needs no
 * consent of ours can be, or compressed; 400 no object
 */
export function readFields({ headers, body }: HttpRequest, types: readonly string[]): Fields {
  const length = headers['content-length'];
  const isEmpty = isNothing(body);
  if ((length === undefined ? bytesOf(body, isEmpty) : Number(length)) > MAX_BYTES) {
    throw bodyTooLarge();
  }
  const isSent = length === undefined ? headers['transfer-encoding'] !== undefined : Number(length) > 0;
  if (isSent || !isEmpty) assertReadable(headers, types);
  // What it says must not count as left out.
  if (isSent && body === undefined) throw unsupported('The body was read by no parser of the application');
  if (isEmpty && !(isSent && (body === null || body === ''))) return {};
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw malformed('The body must be a JSON object or a form');
  }
  return body as Fields;
}

/** A parser that inflates has read more than the length that was announced. */
function assertReadable(headers: HttpRequest['headers'], types: readonly string[]): void {
  const isPlain = (headers['content-encoding'] ?? 'identity') === 'identity';
  if (isPlain && types.includes(mediaTypeOf(headers['content-type']))) return;
  throw isPlain ? contentTypeUnsupported(types) : unsupported('The body must not be compressed');
}

export function bodyTooLarge(): InvalidRequestError {
  return new InvalidRequestError('ERR_BODY_TOO_LARGE', `The body must not exceed ${MAX_BYTES} bytes`, 413);
}

export function contentTypeUnsupported(types: readonly string[]): InvalidRequestError {
  return unsupported(`The Content-Type must be ${types.join(' or ')}`);
}

function unsupported(message: string): InvalidRequestError {
  return new InvalidRequestError('ERR_CONTENT_TYPE_UNSUPPORTED', message, 415);
}

/** @throws {InvalidRequestError} it is no text: a list, as a form has of what was sent twice, or another kind of JSON */
export function textOf(fields: Fields, name: string): string | undefined {
  const value = Object.hasOwn(fields, name) ? fields[name] : undefined;
  if (value === undefined || typeof value === 'string') return value;
  throw malformed(`${name} must be a text, sent once`);
}

export function malformed(message: string): InvalidRequestError {
  return new InvalidRequestError('ERR_REQUEST_MALFORMED', message);
}

/** Parsers before body-parser 2 make an empty object of a request without a body. */
function isNothing(body: unknown): boolean {
  return (
    body === undefined ||
    body === null ||
    body === '' ||
    (typeof body === 'object' && Object.keys(body).length === 0 && !Array.isArray(body))
  );
}

/** Where no length was announced, what the parser let through is measured: at most what its own limit allows. */
function bytesOf(body: unknown, isEmpty: boolean): number {
  if (isEmpty) return 0;
  try {
    return Buffer.byteLength(JSON.stringify(body) ?? '');
  } catch {
    // Nested more deeply than the stack: JSON.parse goes there, JSON.stringify does not.
    return Infinity;
  }
}

function mediaTypeOf(header: string | string[] | undefined): string {
  // Spaces and tabs alone, as in RFC 9110 section 5.6.3: a parser takes no other blank for none.
  return typeof header === 'string'
    ? header
        .split(';', 1)[0]!
        .replace(/^[ \t]+|[ \t]+$/g, '')
        .toLowerCase()
    : '';
}
