import { createRemoteJWKSet, customFetch } from 'jose';
import type { LoggerService } from '@nestjs/common';
import { UnavailableError } from '../core/errors.js';
import { elapsedSince, instantOf, type Instant } from '../core/instant.js';
import { againIfLost } from '../core/lost-connection.js';
import type { Clock, KeySource } from '../core/ports.js';
import { reasonOfFetch } from '../core/reason.js';
import { fromJwks } from './jwks.js';
import type { KeyRing } from './key-ring.js';

/** Durations in seconds. */
export interface RemoteKeysPolicy {
  readonly refreshInterval: number;
  readonly coolDown: number;
  readonly maxStaleness: number;
  readonly timeout: number;
}

/** Room for some eighty RSA keys; whoever sends more is no issuer. */
const MAX_BYTES = 65_536;

/**
 * Keeps a ring in step with the keys an issuer publishes.
 *
 * They are fetched ahead of need, by jose: one fetch at a time, in bounded time, no redirect followed, no more read
 * than a set of keys can be. While the issuer is out of reach the last good set stays in force, up to `maxStaleness`;
 * a set without a key that could verify anything is no good set. A flood of unknown names costs one fetch per
 * cool-down, whether it succeeds or not.
 */
export class RemoteKeys implements KeySource {
  readonly #remote: ReturnType<typeof createRemoteJWKSet>;
  #contents: string | null = null;
  #confirmed: Instant | null = null;
  #attemptedAt = -Infinity;
  #attempt: Promise<void> | null = null;
  #failure: Error | null = null;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(
    private readonly uri: string,
    private readonly ring: KeyRing,
    private readonly policy: RemoteKeysPolicy,
    private readonly clock: Clock,
    private readonly logger: Pick<LoggerService, 'log' | 'error'>,
  ) {
    this.#remote = createRemoteJWKSet(new URL(uri), {
      timeoutDuration: Math.ceil(policy.timeout * 1000),
      [customFetch]: (url, init) => againIfLost(() => fetchBounded(url, init)),
    });
  }

  /** Fetches for the first time, and from then on again and again. An issuer that is not up yet does not stop the start. */
  async start(): Promise<void> {
    await this.refresh().catch(() => {});
    this.#schedule();
  }

  stop(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  /** @throws {UnavailableError} the issuer did not answer with a good set; what was known stays known */
  refresh(): Promise<void> {
    this.#attempt ??= this.#fetch().finally(() => {
      this.#attempt = null;
    });
    return this.#attempt;
  }

  /** @throws {UnavailableError} the last fetch failed, so that an unknown name may be a good one */
  async seek(): Promise<void> {
    const isDue = this.clock.monotonic() - this.#attemptedAt >= this.policy.coolDown * 1000;
    if (this.#attempt !== null || isDue) return this.refresh();
    if (this.#failure) throw this.#failure;
  }

  async #fetch(): Promise<void> {
    const asked = instantOf(this.clock);
    this.#attemptedAt = asked.monotonic;
    try {
      await this.#remote.reload();
      this.#take();
      this.#confirmed = asked;
      if (this.#failure) this.logger.log(`The keys of ${this.uri} are there`);
      this.#failure = null;
    } catch (cause) {
      this.#fail(cause);
      throw this.#failure;
    }
  }

  #take(): void {
    const set = this.#remote.jwks() ?? { keys: [] };
    const keys = fromJwks(set);
    if (keys.length === 0) throw new Error('The set holds no key that could verify an access token');
    const contents = JSON.stringify(set);
    if (contents === this.#contents) return;
    this.ring.replace(keys);
    this.#contents = contents;
  }

  #fail(cause: unknown): void {
    if (!this.#failure && !this.#closed) {
      this.logger.error(`The keys of ${this.uri} cannot be fetched: ${reasonOfFetch(cause)}`);
    }
    this.#failure = new UnavailableError('ERR_VERIFICATION_KEYS_UNAVAILABLE', { cause });
    if (
      this.#contents !== null &&
      elapsedSince(this.#confirmed, this.clock) > this.policy.maxStaleness * 1000
    ) {
      this.ring.replace([]);
      this.#contents = null;
    }
  }

  /** Sooner after a failure. A share at random keeps a fleet that started at once from asking at once. */
  #schedule(): void {
    if (this.#closed) return;
    const { refreshInterval, coolDown } = this.policy;
    const seconds = this.#failure ? Math.min(coolDown, refreshInterval) : refreshInterval;
    this.#timer = setTimeout(
      () => {
        void this.refresh()
          .catch(() => {})
          .then(() => this.#schedule());
      },
      seconds * 1000 * (0.9 + 0.1 * Math.random()),
    ).unref();
  }
}

/** As `fetch`, for an answer that is no redirect, no error and no longer than a set of keys can be. */
async function fetchBounded(url: string, init: RequestInit): Promise<Response> {
  const response = await fetch(url, init);
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new Error(`The answer has status ${response.status}`);
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk as Uint8Array);
    size += (chunk as Uint8Array).length;
    if (size > MAX_BYTES) throw new Error(`The answer is longer than ${MAX_BYTES} bytes`);
  }
  return new Response(Buffer.concat(chunks));
}
