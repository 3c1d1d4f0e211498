import type { KeyObject } from 'node:crypto';
import { UnavailableError } from '../core/errors.js';
import type { SigningAlgorithm } from '../core/options.js';

/** A key access tokens are verified with, bound to the one algorithm it may be used for. */
export interface VerificationKey {
  /** RFC 7638 thumbprint of the public part; for HS256, a hash of the secret under a prefix of its own */
  readonly kid: string;
  readonly algorithm: SigningAlgorithm;
  readonly publicKey: KeyObject;
}

export interface SigningKey extends VerificationKey {
  /** null for a key that only verifies */
  readonly privateKey: KeyObject | null;
}

/**
 * The keys this node signs and verifies access tokens with, as they are at this moment.
 *
 * Every replacement raises `version`: whatever was verified under an earlier one has to be verified again.
 */
export class KeyRing {
  #byKid: ReadonlyMap<string, VerificationKey> = new Map();
  #active: (SigningKey & { readonly privateKey: KeyObject }) | null = null;
  #maySign: () => boolean = always;
  #version = 0;

  get version(): number {
    return this.#version;
  }

  /** Every key that verifies, in the order they were given; the JWKS publishes them. */
  get keys(): readonly VerificationKey[] {
    return [...this.#byKid.values()];
  }

  /** @throws {UnavailableError} this node has no key to sign with at the moment */
  get active(): SigningKey & { readonly privateKey: KeyObject } {
    if (!this.#active || !this.#maySign()) throw new UnavailableError('ERR_SIGNING_KEY_UNAVAILABLE');
    return this.#active;
  }

  get canSign(): boolean {
    return this.#active !== null && this.#maySign();
  }

  /** An exact look-up in memory: a `kid` is never a path, a query or a property name. */
  find(kid: string): VerificationKey | undefined {
    return this.#byKid.get(kid);
  }

  /**
   * @param active the one that signs; absent on a node that only verifies
   * @param maySign asked for every signature; false while the choice of `active` may be out of date
   */
  replace(keys: readonly VerificationKey[], active?: SigningKey | null, maySign = always): void {
    this.#byKid = new Map(keys.map((key) => [key.kid, key]));
    this.#active = active?.privateKey ? { ...active, privateKey: active.privateKey } : null;
    this.#maySign = maySign;
    this.#version++;
  }
}

function always(): boolean {
  return true;
}
