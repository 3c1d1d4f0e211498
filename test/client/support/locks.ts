interface Waiting {
  readonly owner: object;
  begin(): void;
}

interface Held {
  readonly owner: object;
  readonly queue: Waiting[];
}

export interface LockManager {
  request<T>(name: string, task: () => Promise<T>): Promise<T>;
}

/** Web Locks of one origin: as much of them as the client uses. */
export class Locks {
  readonly #held = new Map<string, Held>();
  /** how often a lock was granted */
  granted = 0;

  get areFree(): boolean {
    return this.#held.size === 0;
  }

  /** The locks as one tab sees them. */
  of(owner: object): LockManager {
    return {
      request: async (name, task) => {
        await this.#acquire(name, owner);
        this.granted++;
        try {
          return await task();
        } finally {
          this.#release(name, owner);
        }
      },
    };
  }

  /** A tab dies: what it holds is free, and what it waits for it does not wait for any more. */
  abandon(owner: object): void {
    for (const [name, { queue }] of this.#held) {
      queue.splice(0, Infinity, ...queue.filter((waiting) => waiting.owner !== owner));
      this.#release(name, owner);
    }
  }

  #acquire(name: string, owner: object): Promise<void> {
    const held = this.#held.get(name);
    if (held) return new Promise((resolve) => held.queue.push({ owner, begin: resolve }));
    this.#held.set(name, { owner, queue: [] });
    return Promise.resolve();
  }

  #release(name: string, owner: object): void {
    const held = this.#held.get(name);
    if (held?.owner !== owner) return;
    const next = held.queue.shift();
    if (!next) this.#held.delete(name);
    else {
      this.#held.set(name, { owner: next.owner, queue: held.queue });
      next.begin();
    }
  }
}
