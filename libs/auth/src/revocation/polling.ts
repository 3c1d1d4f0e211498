import type { Clock } from '../core/ports.js';

/** So many milliseconds between two readings at the least, however many hints ask for one. */
const SHORTEST_PAUSE = 100;
/** Nodes that were started together must not poll together for ever. */
const JITTER = 0.1;

export interface PollingPace {
  /** milliseconds from one reading to the next */
  readonly interval: number;
  /** milliseconds between two readings that must never be reached */
  readonly limit: number;
}

/** Has `read` called at its interval, or sooner when hurried; one call at a time. */
export class Polling {
  #timer: NodeJS.Timeout | undefined;
  #isReading = false;
  #isHurried = false;
  #isStopped = false;
  /** on the monotonic clock */
  #notBefore = -Infinity;

  /** @param read must not throw */
  constructor(
    private readonly read: () => Promise<void>,
    private readonly pace: PollingPace,
    private readonly clock: Clock,
  ) {}

  start(): void {
    this.#schedule();
  }

  /** Reads at once, and once more if a reading is under way: that one may have looked too early. */
  hurry(): void {
    this.#isHurried = true;
    if (!this.#isReading) this.#schedule();
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  #schedule(): void {
    if (this.#isStopped) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#poll(), this.#delay()).unref();
  }

  #delay(): number {
    const { interval, limit } = this.pace;
    if (this.#isHurried) return Math.max(0, this.#notBefore - this.clock.monotonic());
    return Math.min(interval * (1 - JITTER + 2 * JITTER * Math.random()), (interval + limit) / 2);
  }

  async #poll(): Promise<void> {
    this.#isHurried = false;
    this.#isReading = true;
    const began = this.clock.monotonic();
    await this.read();
    const ended = this.clock.monotonic();
    // Under a storm of hints the database rests for as long as it has worked, but no longer than without them.
    this.#notBefore = ended + Math.min(this.pace.interval, Math.max(SHORTEST_PAUSE, ended - began));
    this.#isReading = false;
    this.#schedule();
  }
}
