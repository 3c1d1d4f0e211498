import type { LoggerService } from '@nestjs/common';
import { againIfLost } from '../core/lost-connection.js';
import { readFeedAnswer, type FeedAnswer } from './feed-answer.js';

/** Where an issuer's feed is, and who asks. */
export interface RemoteFeed {
  readonly uri: string;
  readonly id: string;
  readonly secret: string;
}

/**
 * Asks the feed of an issuer one question at a time, in bounded time, at the address itself: no redirect is followed.
 *
 * @see RFC 7617, RFC 9110 sections 12.5.3 and 13.1.2
 */
export class FeedClient {
  readonly #authorization: string;
  readonly #running = new Set<AbortController>();
  #isRefused = false;

  /** @param timeout seconds for one answer */
  constructor(
    private readonly feed: RemoteFeed,
    private readonly timeout: number,
    private readonly logger: Pick<LoggerService, 'error'>,
  ) {
    // As it is: ids need no escape, and a secret is taken as it was sent.
    this.#authorization = `Basic ${Buffer.from(`${feed.id}:${feed.secret}`).toString('base64')}`;
  }

  /**
   * @param since milliseconds since the epoch on the database's clock; 0 for everything
   * @param tag the entity tag of an answer to the same question
   * @throws {Error} there was no answer, or one that is none; a connection that was lost has been replaced once
   */
  async ask(since: number, tag?: string): Promise<FeedAnswer> {
    const limit = new AbortController();
    const { timeout } = this;
    const timer = setTimeout(() => limit.abort(new Error(`No answer within ${timeout} s`)), timeout * 1000);
    this.#running.add(limit);
    try {
      return await againIfLost(() => this.#askOnce(since, tag, limit.signal));
    } finally {
      clearTimeout(timer);
      this.#running.delete(limit);
    }
  }

  /** Asks no more; what is under way fails at once. */
  close(): void {
    for (const each of this.#running) each.abort(new Error('This node shuts down'));
  }

  async #askOnce(since: number, tag: string | undefined, signal: AbortSignal): Promise<FeedAnswer> {
    const response = await fetch(this.#addressOf(since), {
      headers: {
        authorization: this.#authorization,
        accept: 'application/json',
        'accept-encoding': 'identity',
        'cache-control': 'no-store',
        ...(tag !== undefined && { 'if-none-match': tag }),
      },
      // Not followed: it is no 200.
      redirect: 'manual',
      signal,
    });
    this.#reportStatus(response.status);
    return readFeedAnswer(response, since, tag);
  }

  #addressOf(since: number): string {
    if (since === 0) return this.feed.uri;
    const url = new URL(this.feed.uri);
    url.searchParams.set('since', String(since));
    return url.href;
  }

  /** Of an issuer that is not there the feed tells; this one is, and stays as it is until somebody acts. */
  #reportStatus(status: number): void {
    const isRefused = status === 401;
    if (isRefused && !this.#isRefused) {
      this.logger.error(
        `${this.feed.uri} does not know the id ${this.feed.id} with this secret (401): set revocations.id and ` +
          'revocations.secret here to one of the resourceServers of the issuer',
      );
    }
    this.#isRefused = isRefused;
  }
}
