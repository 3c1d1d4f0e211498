import { Logger } from '@nestjs/common';

export type RevocationNewsListener = (sids: readonly string[]) => void;

/** Who wants to be told of revocations as this node learns of them. */
export class RevocationListeners {
  readonly #logger = new Logger(RevocationListeners.name);
  readonly #listeners = new Set<RevocationNewsListener>();

  /** @returns a function that ends the telling */
  add(listener: RevocationNewsListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** What fails in somebody else's code must not keep the others from hearing. */
  tell(sids: readonly string[]): void {
    for (const listener of this.#listeners) {
      try {
        listener(sids);
      } catch (error) {
        this.#logger.error(`A listener to revocations failed: ${String(error)}`);
      }
    }
  }
}
