import { hasMoreHeaders } from '../access/bearer.js';
import type { HttpRequest } from '../access/http-request.js';
import { InvalidClientError } from '../core/errors.js';
import { malformed, textOf, type Fields } from './request-body.js';

const SCHEME = /^Basic(?: |$)/i;
const BASIC = /^Basic +((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?)$/i;

/** Whom a request says it is from; not yet true at this point: that it is. */
export interface ClientCredentials {
  /** empty where a secret or an assertion came without one: no client has that id */
  readonly id: string;
  /** null where the client only names itself */
  readonly secret: string | null;
  /** the secret decoded, where a client may have encoded it as a form; null where it is taken as it was sent */
  readonly decodedSecret: string | null;
  /** whether the client tried HTTP Basic, and has to be told so where it failed */
  readonly isBasic: boolean;
}

/**
 * The client a request names, in the Authorization header or in its body; null where it names none.
 *
 * @param fields of the body; what is empty is taken for left out, as RFC 6749 section 3.2 has it
 * @throws {InvalidClientError} the header says Basic, and is no such header, or one of two
 * @throws {InvalidRequestError} two ways of authentication in one request, two clients, or a field that is no text
 * @see RFC 6749 section 2.3.1, RFC 7521 section 4.2
 */
export function readClientCredentials(request: HttpRequest, fields: Fields): ClientCredentials | null {
  const basic = usesBasic(request) ? readBasic(request) : null;
  const id = textOf(fields, 'client_id') || null;
  const secret = textOf(fields, 'client_secret') || null;
  if (basic) {
    if (secret !== null) throw malformed('The client authenticates in two ways at once');
    if (id !== null && id !== basic.id) throw malformed('client_id is not the client that authenticates');
    return basic;
  }
  // Whoever sends one of these alone takes itself for a client of its own, and must not pass for the one of the module.
  if (id === null && secret === null && !textOf(fields, 'client_assertion')) return null;
  return { id: id ?? '', secret, decodedSecret: null, isBasic: false };
}

/** Credentials in the header alone. @throws {InvalidClientError} there are none, or as above */
export function readBasicCredentials(request: HttpRequest): ClientCredentials {
  if (!usesBasic(request)) throw new InvalidClientError(true);
  return readBasic(request);
}

/** @throws {InvalidClientError} an Authorization header of another scheme, which identifies no client here */
export function refuseOtherSchemes(request: HttpRequest): void {
  if (request.headers.authorization !== undefined && !usesBasic(request)) throw new InvalidClientError(true);
}

function usesBasic({ headers: { authorization } }: HttpRequest): boolean {
  return typeof authorization === 'string' && SCHEME.test(authorization);
}

/**
 * Ids need no escape, so decoding leaves them as they are, however many characters a client has escaped; of secrets an
 * encoded one is never another one as it is, so either form may be the right one.
 *
 * @throws {InvalidClientError} not such a header, or two of them: a proxy may have read the other one
 * @see RFC 7617 section 2
 */
function readBasic(request: HttpRequest): ClientCredentials {
  const encoded = BASIC.exec(String(request.headers.authorization))?.[1];
  if (encoded === undefined || hasMoreHeaders(request)) throw new InvalidClientError(true);
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon === -1) throw new InvalidClientError(true);
  const secret = text.slice(colon + 1);
  return { id: formDecoded(text.slice(0, colon)), secret, decodedSecret: formDecoded(secret), isBasic: true };
}

function formDecoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return text;
  }
}
