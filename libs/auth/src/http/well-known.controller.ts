import { Controller, Get, Inject, NotFoundException, Req, Res } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { Public } from '../access/decorators.js';
import type { HttpRequest } from '../access/http-request.js';
import { toJwks } from '../jwt/jwks.js';
import { KeyRing } from '../jwt/key-ring.js';
import { AuthorizationServer } from './authorization-server.js';
import { entityTagOf, matchesEntityTag } from './entity-tag.js';

const METADATA = '.well-known/oauth-authorization-server';
/** Express and Fastify have no wildcard in common; no issuer is known to go deeper. */
const BELOW = ['/:one', '/:one/:two', '/:one/:two/:three'];

interface Document {
  readonly body: string;
  readonly etag: string;
}

/**
 * What other services need to know of this issuer, open to all.
 *
 * @see RFC 7517 section 5, RFC 8414 section 3
 */
@Public()
@Controller()
export class WellKnownController {
  #jwks: (Document & { readonly version: number }) | null = null;

  constructor(
    private readonly ring: KeyRing,
    private readonly adapterHost: HttpAdapterHost,
    @Inject(AuthorizationServer) private readonly server: AuthorizationServer,
  ) {}

  @Get('.well-known/jwks.json')
  jwks(@Req() request: HttpRequest, @Res() response: object): void {
    const { version } = this.ring;
    if (this.#jwks?.version !== version) this.#jwks = { ...documentOf(toJwks(this.ring)), version };
    this.#answer(request, response, this.#jwks);
  }

  @Get(METADATA)
  metadata(@Req() request: HttpRequest, @Res() response: object): void {
    const { metadata, issuerPath } = this.server;
    // The application may have a prefix of its own before all routes.
    if (!metadata || !pathOf(request).endsWith(`/${METADATA}${issuerPath}`)) throw new NotFoundException();
    this.#answer(request, response, documentOf(metadata));
  }

  /** An issuer with a path has its metadata below the well-known one: RFC 8414 section 3.1. */
  @Get(BELOW.map((path) => METADATA + path))
  metadataBelow(@Req() request: HttpRequest, @Res() response: object): void {
    this.metadata(request, response);
  }

  #answer({ headers }: HttpRequest, response: object, { body, etag }: Document): void {
    const { httpAdapter } = this.adapterHost;
    httpAdapter.setHeader(response, 'Cache-Control', `public, max-age=${this.server.maxAge}`);
    httpAdapter.setHeader(response, 'ETag', etag);
    httpAdapter.setHeader(response, 'X-Content-Type-Options', 'nosniff');
    if (matchesEntityTag(headers['if-none-match'], etag)) {
      httpAdapter.reply(response, undefined, 304);
      return;
    }
    httpAdapter.setHeader(response, 'Content-Type', 'application/json; charset=utf-8');
    httpAdapter.reply(response, body, 200);
  }
}

function documentOf(value: object): Document {
  const body = JSON.stringify(value);
  return { body, etag: entityTagOf(body) };
}

function pathOf({ url = '' }: HttpRequest): string {
  const [path = ''] = url.split('?', 1);
  return path;
}
