import { Controller, Get, Inject, Query, Req, Res, UseFilters, UseGuards } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { AuthErrorFilter } from '../access/auth-error.filter.js';
import { Public } from '../access/decorators.js';
import type { HttpRequest } from '../access/http-request.js';
import { InvalidRequestError } from '../core/errors.js';
import { PublishedRevocations } from '../core/revocation-ports.js';
import { ResourceServerGuard } from './resource-server.guard.js';
import { entityTagOf, matchesEntityTag } from './entity-tag.js';
import { TakesClientSecret } from './takes-client-secret.js';

/** Milliseconds since the epoch: up to the year 33658. A page may begin between two of them. */
const SINCE = /^\d{1,15}(?:\.\d{1,20})?$/;
/** Sessions, of 39 bytes each: no page keeps the event loop for long, nor twice as many a reader, who takes a mebibyte. */
const PAGE = 10_000;
/** Those who poll together ask for the same few. */
const MAX_BODIES = 16;

interface Body {
  readonly text: string;
  readonly etag: string;
}

/**
 * What this node knows to be revoked, for services without the database: from memory, however many ask.
 *
 * `Revocations-As-Of` is the database's time this is as of, and `Revocations-Age` how long ago that was on this node,
 * both in milliseconds. They are no part of the body, so that a feed without news is answered by 304, with both of them.
 * `Revocations-Since` is the question this answers, 0 for all: a cache may have been asked another one.
 */
@Public()
@Controller('revocations')
@UseGuards(ResourceServerGuard)
@UseFilters(AuthErrorFilter)
export class RevocationsController {
  readonly #bodies = new Map<number, Body>();
  #version = -1;

  constructor(
    @Inject(PublishedRevocations) private readonly revocations: PublishedRevocations,
    private readonly adapterHost: HttpAdapterHost,
  ) {}

  /**
   * A page of the sessions revoked at or after `since`, of all that are known without one; `next` asks for the one after it.
   *
   * @param text milliseconds since the epoch, on the database's clock
   */
  @Get()
  @TakesClientSecret(true)
  list(@Query('since') text: unknown, @Req() request: HttpRequest, @Res() response: object): void {
    const since = readSince(text);
    const { body, asOf, age } = this.#answerTo(since);
    const { httpAdapter } = this.adapterHost;
    httpAdapter.setHeader(response, 'Cache-Control', 'no-store');
    httpAdapter.setHeader(response, 'ETag', body.etag);
    httpAdapter.setHeader(response, 'Revocations-Since', String(since));
    httpAdapter.setHeader(response, 'Revocations-As-Of', String(asOf));
    httpAdapter.setHeader(response, 'Revocations-Age', String(Math.ceil(age)));
    httpAdapter.setHeader(response, 'X-Content-Type-Options', 'nosniff');
    if (matchesEntityTag(request.headers['if-none-match'], body.etag)) {
      httpAdapter.reply(response, undefined, 304);
      return;
    }
    httpAdapter.setHeader(response, 'Content-Type', 'application/json; charset=utf-8');
    httpAdapter.reply(response, body.text, 200);
  }

  /** Of a body that is there already no session is copied. */
  #answerTo(since: number): { body: Body; asOf: number; age: number } {
    const { version } = this.revocations;
    if (version !== this.#version) this.#bodies.clear();
    this.#version = version;
    const known = this.#bodies.get(since);
    const { sids, next, asOf, age } = this.revocations.snapshot(since, known ? 0 : PAGE);
    const body = known ?? this.#keep(since, describe(since, sids, next));
    return { body, asOf, age };
  }

  #keep(since: number, body: Body): Body {
    if (this.#bodies.size >= MAX_BODIES) this.#bodies.delete(this.#bodies.keys().next().value!);
    this.#bodies.set(since, body);
    return body;
  }
}

/** `since` is not in the body, and yet part of what it means. */
function describe(since: number, sids: readonly string[], next: number | null): Body {
  const text = JSON.stringify({ sids, ...(next !== null && { next }) });
  return { text, etag: entityTagOf(`${since} `, text) };
}

/** @throws {InvalidRequestError} malformed, or sent twice */
function readSince(text: unknown): number {
  if (text === undefined) return 0;
  if (typeof text === 'string' && SINCE.test(text)) return Number(text);
  throw new InvalidRequestError(
    'ERR_REQUEST_MALFORMED',
    'since must be one number of milliseconds, or absent',
  );
}
