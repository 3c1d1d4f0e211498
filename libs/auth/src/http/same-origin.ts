import type { HttpRequest } from '../access/http-request.js';
import { InvalidRequestError } from '../core/errors.js';
import { isOrigin } from '../core/origin.js';

/** A structured field token, once: two headers arrive as one, with a comma. */
const SITE = /^[a-z][a-z-]*$/;
/** What a browser sends as Host; all that URL would read into more of it (`@`, `/`, `\`, a tab) is none. */
const HOST = /^(?:[\w.-]+|\[[\da-f:.]+\])(?::\d{1,5})?$/i;

/**
 * Lets pass what a page of this server or of `origins` sends, and what no page does: without Origin and Sec-Fetch-Site,
 * neither of which a script can set or leave out.
 *
 * The carrier header and SameSite=Strict stand before this. It is for the day that one of them does not: a CORS setting
 * that reflects any origin, or a page of a sibling, which is the same site.
 *
 * Sec-Fetch-Site is the browser's own comparison, and counts even where a proxy has rewritten Host. X-Forwarded-Host is
 * never read: whoever is not behind a proxy could write it.
 *
 * @param origins of pages elsewhere that may
 * @throws {InvalidRequestError} 403 any other page; `Origin: null`; either header malformed or sent twice
 * @see Fetch Metadata Request Headers section 2.3; RFC 6454 section 7
 */
export function assertSameOrigin(request: HttpRequest, origins: readonly string[]): void {
  if (mayUseCookie(request, origins)) return;
  throw originRefused();
}

export function originRefused(): InvalidRequestError {
  const message =
    'Pages of this origin may not use the refresh-token cookie; the option origins lists those that may';
  return new InvalidRequestError('ERR_ORIGIN_REFUSED', message, 403);
}

function mayUseCookie(request: HttpRequest, origins: readonly string[]): boolean {
  const { origin, 'sec-fetch-site': site } = request.headers;
  if (origin !== undefined && !(typeof origin === 'string' && isOrigin(origin))) return false;
  const isListed = origin !== undefined && origins.includes(origin);
  if (site === undefined) return origin === undefined || isListed || isOwn(origin, request);
  if (typeof site !== 'string' || !SITE.test(site)) return false;
  return site === 'same-origin' || isListed;
}

/** Whether `origin` is where this request went, by the host and the port its client named; TLS may end before us. */
function isOwn(origin: string, request: HttpRequest): boolean {
  const host = hostOf(request);
  if (host === null || !HOST.test(host)) return false;
  // Read with that very scheme, which may have its own port left out.
  const own = `${new URL(origin).protocol}//${host}`;
  return URL.canParse(own) && new URL(own).origin === origin;
}

/** Null for none, and for two: Node keeps the first Host, and a proxy may have gone by the second. RFC 9113 section 8.3.1. */
function hostOf({ headers, rawHeaders, raw }: HttpRequest): string | null {
  const names = (rawHeaders ?? raw?.rawHeaders ?? []).filter((_, at) => at % 2 === 0);
  if (names.filter((name) => name.toLowerCase() === 'host').length > 1) return null;
  const { host, ':authority': authority } = headers;
  if (host !== undefined && authority !== undefined && host !== authority) return null;
  const named = host ?? authority;
  return typeof named === 'string' ? named : null;
}
