import type { ExecutionContext } from '@nestjs/common';
import type { AccessTokenClaims } from '../core/access-token.js';

/** What Express and Fastify requests have in common and these rooms read; nothing of it is trusted. */
export interface HttpRequest {
  readonly method: string;
  readonly url?: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly rawHeaders?: readonly string[];
  readonly body?: unknown;
  /** Fastify's way to the request of Node */
  readonly raw?: { readonly rawHeaders?: readonly string[] };
  /** written by `AccessGuard` */
  user?: AccessTokenClaims;
}

export function httpRequest(context: ExecutionContext): HttpRequest {
  // `switchToHttp()` makes three closures, and copies them onto the context, to the same effect.
  return context.getArgByIndex<HttpRequest>(0);
}
