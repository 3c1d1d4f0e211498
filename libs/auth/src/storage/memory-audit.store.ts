import type { AuditEntry, AuditStore, DeletedPage } from '../core/ports.js';

interface Kept extends AuditEntry {
  /** milliseconds since the epoch */
  readonly at: number;
}

/** The audit trail in the memory of one process, for unit tests of an application: gone with the process. */
export class MemoryAuditStore implements AuditStore {
  readonly #entries = new Map<string, Kept>();

  constructor(private readonly clock: () => number) {}

  /** In the order of their ids, which is that of time. */
  get entries(): readonly Kept[] {
    return [...this.#entries.values()].toSorted((left, right) => (left.id < right.id ? -1 : 1));
  }

  async append(entries: readonly (AuditEntry & { readonly age: number })[]): Promise<void> {
    for (const { age, ...entry } of entries) {
      if (!this.#entries.has(entry.id)) this.#entries.set(entry.id, { ...entry, at: this.clock() - age });
    }
  }

  async deleteOver(keep: number): Promise<DeletedPage> {
    const over = this.entries.filter(({ at }) => at < this.clock() - keep);
    for (const { id } of over) this.#entries.delete(id);
    return { deleted: over.length, next: null };
  }
}
