import type { HttpRequest } from '../access/http-request.js';
import type { ResolvedOptions } from '../core/options.js';
import type { RefreshTokenCodec } from '../core/refresh-token.js';
import { findRefreshToken } from '../http/carriers.js';
import { FORM, readFields, textOf } from '../http/request-body.js';

type Find = (request: HttpRequest, options: ResolvedOptions) => string | undefined;

/** Where refresh tokens are presented: as `RefreshGuard` finds them, and at the endpoint of RFC 7009. */
const PLACES: readonly Find[] = [
  (request, options) => findRefreshToken(request, options)?.token,
  (request) => textOf(readFields(request, [FORM]), 'token'),
];

/**
 * The session whose refresh token a request presents, of any generation, if one of our keys made it; null otherwise,
 * whatever is wrong.
 *
 * Costs one HMAC and no query. As the tag is checked, nobody names a session without having held a token of it. Not yet true
 * at this point: that the session lives, or ever existed.
 */
export function presentedFamily(
  request: HttpRequest,
  codec: RefreshTokenCodec,
  options: ResolvedOptions,
): string | null {
  for (const find of PLACES) {
    try {
      const text = find(request, options);
      if (text !== undefined) return codec.decode(text).familyId;
    } catch {
      // Refused, with its reason, by whoever reads it next: here it is only garbage.
    }
  }
  return null;
}
