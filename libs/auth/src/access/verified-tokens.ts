import type { AccessTokenClaims } from '../core/access-token.js';

interface Entry {
  /** the scheme and the token, as they were sent */
  readonly credentials: string;
  readonly claims: AccessTokenClaims;
  /** milliseconds since the epoch on this node's clock */
  readonly expiresAt: number;
}

/**
 * Of the end of the signature: 68 bits or more that nobody can choose who cannot sign, and the whole is compared all the
 * same. V8 copies a slice of up to 12 characters; a longer one refers to its parent, and hashes at a third of the speed.
 */
const KEY_LENGTH = 12;

/** How many that have expired are put away for each one that comes. */
const SWEPT = 2;

/**
 * Access tokens this node has verified, so that the next request with one costs a look-up in place of a signature.
 *
 * Bounded; the oldest goes first. Says nothing about revocation: that is asked for every request.
 */
export class VerifiedTokens {
  readonly #entries = new Map<string, Entry>();
  #keyVersion = 0;

  /** @param capacity in tokens, about 1.5 KB each; 0 keeps none */
  constructor(private readonly capacity: number) {}

  get size(): number {
    return this.#entries.size;
  }

  /**
   * @param keyVersion of the keys now, which never falls; with any other, everything verified before is forgotten
   * @param now milliseconds since the epoch on this node's clock
   */
  find(credentials: string, keyVersion: number, now: number): AccessTokenClaims | undefined {
    this.#keepTo(keyVersion);
    const key = credentials.slice(-KEY_LENGTH);
    const entry = this.#entries.get(key);
    if (entry === undefined || entry.credentials !== credentials) return undefined;
    if (now < entry.expiresAt) return entry.claims;
    this.#entries.delete(key);
    return undefined;
  }

  /** @param keyVersion of the keys it was verified under; when they have changed since, it is not kept */
  add(entry: Entry, keyVersion: number, now: number): void {
    if (this.capacity === 0 || keyVersion < this.#keyVersion) return;
    this.#keepTo(keyVersion);
    this.#sweep(now);
    const key = entry.credentials.slice(-KEY_LENGTH);
    if (this.#entries.size >= this.capacity && !this.#entries.has(key)) {
      this.#entries.delete(this.#entries.keys().next().value!);
    }
    this.#entries.set(key, entry);
  }

  #keepTo(keyVersion: number): void {
    if (keyVersion === this.#keyVersion) return;
    this.#entries.clear();
    this.#keyVersion = keyVersion;
  }

  #sweep(now: number): void {
    let left = SWEPT;
    for (const [key, { expiresAt }] of this.#entries) {
      if (left-- === 0 || now < expiresAt) return;
      this.#entries.delete(key);
    }
  }
}
