import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { Inject, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { AuthHttpException } from '../access/auth-http.exception.js';
import { hasMoreHeaders } from '../access/bearer.js';
import { httpRequest, type HttpRequest } from '../access/http-request.js';
import { InvalidClientError } from '../core/errors.js';
import { ResolvedOptions } from '../core/options.js';

const BASIC = /^Basic +((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?)$/i;

/**
 * Lets a request pass that comes from one of `resourceServers`, by HTTP Basic; an access token is no credential here.
 *
 * A secret is taken as it was sent, or form-encoded as RFC 6749 has it: ids need no escape, and of secrets an encoded one
 * is never another one as it is.
 *
 * @see RFC 7617, RFC 6749 sections 2.3.1 and 5.2
 */
@Injectable()
export class ClientAuthenticationGuard implements CanActivate {
  readonly #digests: ReadonlyMap<string, Buffer>;
  /** What an unknown id is compared with, so that it takes as long as a known one. */
  readonly #nobody = randomBytes(32);

  constructor(@Inject(ResolvedOptions) { resourceServers }: ResolvedOptions) {
    this.#digests = new Map(resourceServers.map(({ id, secret }) => [id, digestOf(secret)]));
  }

  /** @throws {AuthHttpException} for an InvalidClientError, whatever is missing or wrong */
  canActivate(context: ExecutionContext): true {
    const credentials = readBasic(httpRequest(context));
    if (!credentials || !this.#isKnown(credentials)) throw new AuthHttpException(new InvalidClientError());
    return true;
  }

  #isKnown({ id, secret }: { id: string; secret: string }): boolean {
    const known = this.#digests.get(id);
    const expected = known ?? this.#nobody;
    const asSent = timingSafeEqual(digestOf(secret), expected);
    const decoded = timingSafeEqual(digestOf(formDecoded(secret)), expected);
    return known !== undefined && (asSent || decoded);
  }
}

/** Null for what is no such header, and for two of them: a proxy may have read the other one. */
function readBasic(request: HttpRequest): { id: string; secret: string } | null {
  const { authorization } = request.headers;
  const encoded = typeof authorization === 'string' ? BASIC.exec(authorization)?.[1] : undefined;
  if (encoded === undefined || hasMoreHeaders(request)) return null;
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  return colon === -1 ? null : { id: text.slice(0, colon), secret: text.slice(colon + 1) };
}

function digestOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

function formDecoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return text;
  }
}
