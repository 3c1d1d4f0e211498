import { generateKeyPairSync, randomBytes } from 'node:crypto';
import type { TokenEvent } from '../../../libs/auth/src/core/events.js';
import {
  RefreshTokenCodec,
  sha256,
  type RefreshTokenParts,
} from '../../../libs/auth/src/core/refresh-token.js';
import { resolveOptions } from '../../../libs/auth/src/core/resolve-options.js';
import { ClaimsSource } from '../../../libs/auth/src/issuer/claims.source.js';
import { Rotator, type Refreshed } from '../../../libs/auth/src/issuer/rotator.js';
import { MemoryRefreshTokenStore } from '../../../libs/auth/src/storage/memory.store.js';

export const ORIGIN = 'https://api.test';
/** Seconds. */
export const LEEWAY = 10;

export const settings = resolveOptions({
  issuer: 'https://issuer.test',
  audience: ORIGIN,
  accessToken: { keys: [generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey] },
  refreshToken: { keys: [{ id: 1, secret: randomBytes(32) }], leeway: LEEWAY },
});

/** The refresh tokens of a server, judged by its own rules on a clock of ours. */
export class FakeJudge {
  readonly events: TokenEvent[] = [];
  readonly #store: MemoryRefreshTokenStore;
  #keys = settings.refreshToken.keys;
  #codec = new RefreshTokenCodec(this.#keys);

  /** @param now milliseconds since the epoch */
  constructor(protected readonly now: () => number) {
    this.#store = new MemoryRefreshTokenStore(settings, now);
  }

  /** A deployment: refresh tokens are made with another key from now on, and those of before are good. */
  changeKey(): void {
    this.#keys = [{ id: this.#keys.length + 1, secret: randomBytes(32) }, ...this.#keys];
    this.#codec = new RefreshTokenCodec(this.#keys);
  }

  revoke(sid: string, reason: 'logout' | 'administrative' = 'administrative'): Promise<unknown> {
    return this.#store.revoke(sid, reason);
  }

  async isAlive(sid: string): Promise<boolean> {
    const { family } = await this.#store.look(sid);
    return family !== null && family.revokedAt === null;
  }

  count(type: TokenEvent['type']): number {
    return this.events.filter((event) => event.type === type).length;
  }

  protected async begin(scope: string | null): Promise<RefreshTokenParts> {
    const token = this.#codec.first(this.now());
    const who = { subject: 'alice', clientId: 'default' };
    await this.#store.insert({ token, ...who, scope, claims: null, device: null });
    return token;
  }

  protected read(token: string): RefreshTokenParts {
    return this.#codec.decode(token);
  }

  protected spend(token: RefreshTokenParts, key: string | null, clientId: string): Promise<Refreshed> {
    const { now } = this;
    const rotator = new Rotator(
      this.#store,
      this.#codec,
      new ClaimsSource(undefined, 1),
      { learn: () => {}, knows: () => false },
      { emit: (event) => this.events.push(event) },
      { now, monotonic: now },
      LEEWAY * 1000,
    );
    const attemptHash = key === null ? null : sha256(key);
    return rotator.refresh({ token, clientId, attemptHash, scope: null, receivedAt: now() });
  }
}
