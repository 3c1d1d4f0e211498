import { now, since, type Instant } from './instant.js';

const FIRST = 250;
const LONGEST = 30_000;

/** How long to leave the server alone after it has failed. Durations in milliseconds. */
export class Pause {
  #failures = 0;
  #from: Instant | undefined;
  #length = 0;
  #isDemanded = false;

  /** Twice as long each time, up to half a minute, a random share of it: those who failed together must not return together. */
  extend(retryAfter?: number): void {
    this.#from = now();
    this.#failures++;
    this.#isDemanded = retryAfter !== undefined;
    const longest = Math.min(LONGEST, FIRST * 2 ** this.#failures);
    this.#length = (retryAfter ?? 0) + Math.random() * longest;
  }

  /** The network is back. What the server demanded stays. */
  cutShort(): void {
    if (!this.#isDemanded) this.#from = undefined;
  }

  end(): void {
    this.#failures = 0;
    this.#from = undefined;
  }

  /** Milliseconds until the next attempt; 0 when it may be made now. */
  get remaining(): number {
    return this.#from ? Math.max(0, this.#length - since(this.#from)) : 0;
  }
}
