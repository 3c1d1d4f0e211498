import { setTimeout as sleep } from 'node:timers/promises';
import { Counts } from './counts.js';
import { WHOLE, type Fate } from './http-proxy.js';
import type { Random } from './random.js';

/** Milliseconds that an answer is held back. */
const LATE = 5_000;
const NAMES: Readonly<Record<Fate['kind'], string>> = {
  whole: 'answers whole',
  lost: 'lost',
  late: 'late',
  busy: '× 503',
  cut: 'cut',
};

/** Draws what becomes of each request, and counts it. */
export class BadNetwork {
  readonly counts = new Counts();
  /** places at which an answer to a refresh was cut, and how long the longest one was */
  readonly cuts = new Set<number>();
  length = 0;
  #turn = 0;
  #isStorming = false;
  #isBad = false;

  constructor(
    private readonly random: Random,
    /** `step`: every so many-th byte is a place to cut an answer */
    private readonly settings: { readonly lost: number; readonly step: number },
  ) {}

  fateOf(request: string): Fate {
    if (!this.#isBad) return WHOLE;
    const fate = this.#isStorming ? this.#busy() : this.#draw(request === 'POST /auth/refresh');
    this.counts.add(NAMES[fate.kind]);
    return fate;
  }

  /** Every request is answered 503 meanwhile. */
  async storm(milliseconds: number): Promise<void> {
    this.#isStorming = true;
    await sleep(milliseconds);
    this.#isStorming = false;
  }

  begin(): void {
    this.#isBad = true;
  }

  heal(): void {
    this.#isBad = false;
  }

  get isCutEverywhere(): boolean {
    return this.length > 0 && this.cuts.size >= Math.floor(this.length / this.settings.step);
  }

  #draw(isRefresh: boolean): Fate {
    if (this.random.chance(this.settings.lost)) return { kind: 'lost' };
    if (!isRefresh) return WHOLE;
    const share = this.random.next();
    if (share < 0.2) return { kind: 'cut', by: 'reset', at: (length) => this.#nextCut(length) };
    if (share < 0.22) return { kind: 'cut', by: 'end', at: (length) => this.random.between(0, length - 1) };
    if (share < 0.24) return { kind: 'late', by: LATE };
    return share < 0.26 ? this.#busy() : WHOLE;
  }

  #busy(): Fate {
    return { kind: 'busy', ...(this.random.chance(0.5) && { retryAfter: 1 }) };
  }

  #nextCut(length: number): number {
    const at = (this.#turn++ * this.settings.step) % length;
    this.cuts.add(at);
    this.length = Math.max(this.length, length);
    return at;
  }
}
