import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { ClientCredentials } from './client-credentials.js';

/** Ids and the digests of their secrets: of equal length, so that they can be compared in constant time. */
export class SecretBook {
  readonly #digests: ReadonlyMap<string, readonly Buffer[]>;
  /** What an unknown id is compared with, so that it takes as long as a known one. */
  readonly #nobody: readonly Buffer[] = [randomBytes(32)];

  constructor(entries: readonly { readonly id: string; readonly secrets: readonly string[] }[]) {
    this.#digests = new Map(entries.map(({ id, secrets }) => [id, secrets.map(digestOf)]));
  }

  /** Whether it is a public one. */
  holdsNoSecretOf(id: string): boolean {
    return this.#digests.get(id)?.length === 0;
  }

  /** Whether the secret is one of those of that id. */
  proves({ id, secret, decodedSecret }: ClientCredentials): boolean {
    const known = this.#digests.get(id);
    const expected = known?.length ? known : this.#nobody;
    const [asSent, decoded] = [digestOf(secret ?? ''), digestOf(decodedSecret ?? secret ?? '')];
    let matches = 0;
    for (const each of expected) {
      matches += Number(timingSafeEqual(asSent, each)) + Number(timingSafeEqual(decoded, each));
    }
    return matches > 0;
  }
}

function digestOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}
