import { UnavailableError } from '../core/errors.js';
import type { Grant } from '../core/family.js';
import type { Rotation, Stamped } from '../core/ports.js';

/** What became of one rotation of a batch: written, judged otherwise, or passed over because its row was locked. */
export type BatchResult = (Grant & Stamped) | null | 'locked';

/** How rotations are written, alone and together. */
export interface RotationStatements {
  /** Waits for the row, if it is locked. */
  one(rotation: Rotation): Promise<(Grant & Stamped) | null>;
  /** Waits for no row. @returns a result for each, in the same order */
  many(rotations: readonly Rotation[]): Promise<BatchResult[]>;
}

interface Waiting {
  readonly rotation: Rotation;
  /** on this node's monotonic clock */
  readonly since: number;
  readonly resolve: (result: (Grant & Stamped) | null) => void;
  readonly reject: (error: unknown) => void;
}

/*
 * Few statements at a time, so that those who wait come together. Lone ones have places of their own, as one that
 * waits for a locked row must not hold up a batch, which never does.
 */
const MAX_ALONE = 2;
const MAX_BATCHES = 2;
const MAX_BATCH_SIZE = 64;

/**
 * Lets rotations that arrive while others are under way share one statement, as a group commit does: one round
 * trip, one plan, one flush. A rotation that comes alone goes alone, at once.
 */
export class RotationBatcher {
  readonly #waiting: Waiting[] = [];
  #alone = 0;
  #batches = 0;
  #isScheduled = false;

  constructor(
    private readonly statements: RotationStatements,
    /** milliseconds for a place and the statement together; whoever has waited longer is not sent any more */
    private readonly patience: number,
  ) {}

  rotate(rotation: Rotation): Promise<(Grant & Stamped) | null> {
    return new Promise((resolve, reject) => {
      // A statement that is under way has a time-out of its own, which began later.
      const timer = setTimeout(() => reject(noAnswer()), this.patience).unref();
      const settled = <T>(report: (value: T) => void) => {
        return (value: T) => {
          clearTimeout(timer);
          report(value);
        };
      };
      const since = performance.now();
      this.#waiting.push({ rotation, since, resolve: settled(resolve), reject: settled(reject) });
      if (this.#alone + this.#batches === 0) this.#send();
      else this.#schedule();
    });
  }

  /** Once the requests that have already arrived have been read. */
  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#send();
    });
  }

  /** Does nothing while all places are taken: whoever ends calls again. */
  #send(): void {
    this.#giveUp();
    if (this.#waiting.length === 1 && this.#alone < MAX_ALONE) void this.#sendAlone(this.#waiting.pop()!);
    else if (this.#waiting.length > 0 && this.#batches < MAX_BATCHES) {
      void this.#sendTogether(this.#waiting.splice(0, MAX_BATCH_SIZE));
    }
  }

  /** A database that answers nobody must not let a queue grow that outlasts it: the oldest are in front. */
  #giveUp(): void {
    const latest = performance.now() - this.patience;
    while (this.#waiting[0] && this.#waiting[0].since < latest) {
      this.#waiting.shift()!.reject(noAnswer());
    }
  }

  async #sendAlone(one: Waiting): Promise<void> {
    this.#alone++;
    await this.#settle(one, this.statements.one(one.rotation), () => this.#alone--);
  }

  async #sendTogether(batch: readonly Waiting[]): Promise<void> {
    this.#batches++;
    const results = this.statements.many(batch.map(({ rotation }) => rotation));
    const end = (): void => {
      this.#batches--;
      // Before the answers are worked on, so that the database has something to do meanwhile.
      this.#send();
    };
    try {
      const settled = await results.finally(end);
      for (const [index, waiting] of batch.entries()) {
        const result = settled[index]!;
        if (result === 'locked') void this.#settle(waiting, this.statements.one(waiting.rotation));
        else waiting.resolve(result);
      }
    } catch (error) {
      for (const waiting of batch) waiting.reject(error);
    }
  }

  async #settle(
    waiting: Waiting,
    result: Promise<(Grant & Stamped) | null>,
    end?: () => void,
  ): Promise<void> {
    try {
      waiting.resolve(
        await result.finally(() => {
          end?.();
          if (end) this.#send();
        }),
      );
    } catch (error) {
      waiting.reject(error);
    }
  }
}

function noAnswer(): UnavailableError {
  const cause = new Error('No answer from PostgreSQL in time, to this rotation or to those before it');
  return new UnavailableError('ERR_STORE_UNAVAILABLE', { cause });
}
