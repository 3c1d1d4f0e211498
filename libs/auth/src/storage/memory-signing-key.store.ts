import { UnavailableError } from '../core/errors.js';
import { applyStep, type KeyStep, type NewSigningKey, type StoredSigningKey } from '../core/key-schedule.js';
import type { SigningKeys, SigningKeyStore } from '../core/ports.js';

/**
 * Signing keys in the memory of one process, for unit tests of an application: gone with the process. Keeps the same
 * contract as the PostgreSQL store.
 */
export class MemorySigningKeyStore implements SigningKeyStore {
  #keys: readonly StoredSigningKey[] = [];

  constructor(private readonly clock: () => number) {}

  async load(): Promise<SigningKeys> {
    return { keys: this.#keys, now: this.clock() };
  }

  async change(
    candidate: NewSigningKey | null,
    decide: (keys: readonly StoredSigningKey[], now: number) => readonly KeyStep[],
  ): Promise<SigningKeys> {
    const now = this.clock();
    const steps = decide(this.#keys, now);
    this.#keys = this.#after(steps, candidate, now);
    return { keys: this.#keys, now };
  }

  #after(
    steps: readonly KeyStep[],
    candidate: NewSigningKey | null,
    now: number,
  ): readonly StoredSigningKey[] {
    try {
      return steps.reduce((keys, step) => applyStep(keys, step, candidate, now), this.#keys);
    } catch (cause) {
      throw new UnavailableError('ERR_STORE_UNAVAILABLE', { cause });
    }
  }
}
