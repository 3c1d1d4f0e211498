import type { ExecutionContext } from '@nestjs/common';

/** What Express and Fastify requests have in common and this room reads; nothing of it is trusted. */
export interface HttpRequest {
  readonly method: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body?: unknown;
}

export function httpRequest(context: ExecutionContext): HttpRequest {
  return context.switchToHttp().getRequest<HttpRequest>();
}
