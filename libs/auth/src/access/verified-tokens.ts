import type { AccessTokenClaims } from '../core/access-token.js';

interface Entry {
  /** the scheme and the token, as they were sent */
  readonly credentials: string;
  readonly claims: AccessTokenClaims;
  /** milliseconds since the epoch on this node's clock */
  readonly expiresAt: number;
}

/** How many that have expired are put away for each one that comes. */
const SWEPT = 2;

/**
 * Access tokens this node has verified, so that the next request with one costs a look-up in place of a signature.
 *
 * Bounded; the oldest goes first. Says nothing about revocation: that is asked for every request.
 */
export class VerifiedTokens {
  readonly #entries = new Map<number, Entry>();
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
    const key = keyOf(credentials);
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
    const key = keyOf(entry.credentials);
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

/**
 * A number of 30 bits, from the five characters before the last, which holds padding. Nobody who cannot sign chooses them,
 * and two tokens that share it take turns: the whole is compared. A piece of the text in its place would be copied and
 * hashed for every request, at twice the price.
 */
function keyOf(credentials: string): number {
  return (
    (bitsOf(credentials, 2) << 24) |
    (bitsOf(credentials, 3) << 18) |
    (bitsOf(credentials, 4) << 12) |
    (bitsOf(credentials, 5) << 6) |
    bitsOf(credentials, 6)
  );
}

/** Six of a character, counted from the end. */
function bitsOf(text: string, fromEnd: number): number {
  return text.charCodeAt(text.length - fromEnd) & 63;
}
