import type { KeyObject } from 'node:crypto';
import type { SigningAlgorithm } from '../core/options.js';
import type { SigningKey } from './signing-keys.js';

/** The keys access tokens are signed and verified with, all for one algorithm. */
export class KeyRing {
  readonly #byKid: ReadonlyMap<string, SigningKey>;
  readonly #active: SigningKey;

  /** @param keys the first one signs; validated */
  constructor(
    readonly algorithm: SigningAlgorithm,
    keys: readonly SigningKey[],
  ) {
    this.#byKid = new Map(keys.map((key) => [key.kid, key]));
    this.#active = keys[0]!;
  }

  get active(): { kid: string; privateKey: KeyObject } {
    return { kid: this.#active.kid, privateKey: this.#active.privateKey! };
  }

  /** An exact look-up in memory: a `kid` is never a path, a query or a property name. */
  verificationKey(kid: string): KeyObject | undefined {
    return this.#byKid.get(kid)?.publicKey;
  }
}
