import { Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import type { ResolvedOptions } from '../core/options.js';
import type { AuditStore, DeletedPage, RefreshTokenStore } from '../core/ports.js';
import { reasonOf } from '../core/reason.js';

/** Nodes that start together come apart by this share. */
const JITTER = 0.1;

/**
 * Forgets what is over: every `prune.every`, families whose absolute end lies back by more than `prune.keep`, revoked
 * and idle ones no sooner, so that a replay of their tokens is still judged; and audit entries older than `audit.keep`.
 *
 * In short steps that wait for nobody and hold up no refresh, on the database's clock. Every node may do it. With
 * `prune.enabled: false` it is left to you: call `run` from a job of your own.
 */
export class TokenPruning implements OnApplicationBootstrap, OnModuleDestroy {
  readonly #logger = new Logger(TokenPruning.name);
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<number> | null = null;
  #closed = false;
  #failing = false;

  constructor(
    private readonly families: Pick<RefreshTokenStore, 'deleteOver'>,
    private readonly audit: Pick<AuditStore, 'deleteOver'> | null,
    private readonly options: Pick<ResolvedOptions, 'prune' | 'audit'>,
  ) {}

  /** A first run anywhere within the interval: a node that is deployed more often than that prunes all the same. */
  onApplicationBootstrap(): void {
    if (this.options.prune.enabled) this.#schedule(Math.random());
  }

  /** Stops after the step under way. */
  async onModuleDestroy(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#running?.catch(() => {});
  }

  /**
   * Deletes everything that is over now. Calls that come together on one node share a run; a node that shuts down
   * ends it early.
   *
   * @returns how many families were deleted
   * @throws {UnavailableError} the database did not answer in time; what was deleted by then is deleted
   */
  run(): Promise<number> {
    this.#running ??= this.#run().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  async #run(): Promise<number> {
    const { prune, audit } = this.options;
    try {
      return await this.#deleteFrom(this.families, prune.keep);
    } finally {
      if (this.audit) await this.#deleteFrom(this.audit, audit.keep);
    }
  }

  /** @param keep seconds */
  async #deleteFrom(store: Pick<RefreshTokenStore, 'deleteOver'>, keep: number): Promise<number> {
    let count = 0;
    let after: string | null = null;
    while (!this.#closed) {
      const { deleted, next }: DeletedPage = await store.deleteOver(keep * 1000, after);
      count += deleted;
      if (next === null) break;
      after = next;
    }
    return count;
  }

  /** @param share of the interval, from now */
  #schedule(share: number): void {
    if (this.#closed) return;
    this.#timer = setTimeout(() => void this.#runInTurn(), this.options.prune.every * 1000 * share).unref();
  }

  async #runInTurn(): Promise<void> {
    try {
      await this.run();
      if (this.#failing) this.#logger.log('What is over is deleted again');
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) this.#logger.error(`What is over cannot be deleted: ${reasonOf(error)}`);
      this.#failing = true;
    }
    this.#schedule(1 - JITTER + 2 * JITTER * Math.random());
  }
}
