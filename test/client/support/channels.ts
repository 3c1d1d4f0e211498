import { setImmediate as turn } from 'node:timers/promises';
import { awaited } from './time.js';

interface Channel {
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  postMessage(message: unknown): void;
  close(): void;
}

export type ChannelClass = new (name: string) => Channel;

/** BroadcastChannel of one origin: every message arrives, copied, in the next turn of the event loop. */
export class Channels {
  readonly #open = new Set<{ readonly name: string; readonly channel: Channel }>();
  /** all that was ever said */
  readonly said: unknown[] = [];
  /** false: nobody hears anything */
  areHeard = true;

  /** The class as one tab sees it. */
  of(isAlive: () => boolean): ChannelClass {
    const { said } = this;
    const open = this.#open;
    const deliver = (from: Channel, name: string, data: unknown): void => {
      for (const one of open) {
        if (one.name === name && one.channel !== from && this.areHeard)
          one.channel.onmessage?.({ data: structuredClone(data) });
      }
    };
    return class {
      onmessage: Channel['onmessage'] = null;
      readonly #entry: { readonly name: string; readonly channel: Channel };

      constructor(name: string) {
        open.add((this.#entry = { name, channel: this }));
      }

      postMessage(message: unknown): void {
        if (!open.has(this.#entry)) throw new DOMException('Closed', 'InvalidStateError');
        if (!isAlive()) return;
        const data: unknown = structuredClone(message);
        said.push(data);
        void awaited(turn()).then(() => deliver(this, this.#entry.name, data));
      }

      close(): void {
        open.delete(this.#entry);
      }
    };
  }
}

/** IndexedDB of one origin: as much of it as keeps one key. */
export class KeyDatabases {
  readonly #stores = new Map<string, Map<number, unknown>>();

  open(name: string): object {
    const isNew = !this.#stores.has(name);
    const values = this.#stores.get(name) ?? new Map<number, unknown>();
    this.#stores.set(name, values);
    const store = {
      add: (value: unknown, key: number) =>
        request(() => {
          if (values.has(key)) throw new DOMException('There is one', 'ConstraintError');
          return values.set(key, value);
        }),
      get: (key: number) => request(() => values.get(key)),
    };
    const database = {
      createObjectStore: () => store,
      transaction: () => ({ objectStore: () => store }),
      close: () => {},
    };
    return request(() => database, isNew);
  }
}

interface Answered {
  result?: unknown;
  onupgradeneeded?: () => void;
  onsuccess?: () => void;
  onerror?: (event: { preventDefault(): void }) => void;
}

function request(answer: () => unknown, isNew = false): Answered {
  const made: Answered = {};
  void awaited(turn()).then(() => {
    try {
      made.result = answer();
    } catch {
      return made.onerror?.({ preventDefault: () => {} });
    }
    if (isNew) made.onupgradeneeded?.();
    made.onsuccess?.();
  });
  return made;
}
