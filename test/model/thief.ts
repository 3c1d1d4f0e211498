import { randomUUID } from 'node:crypto';
import type { HonestClient } from './client.js';
import type { ModelFamily } from './family.js';
import type { World } from './world.js';

export type ThiefKey = 'copied' | 'own' | 'none';

/** Copies what a client holds, and goes on from there. */
export class Thief {
  family: ModelFamily | undefined;
  #token = '';
  #copiedKey: string | undefined;
  /** drawn for the token held, as an honest client does: the thief loses no answers either */
  #ownKey = randomUUID();

  constructor(
    private readonly world: World,
    readonly victim: HonestClient,
  ) {}

  copy(withKey: boolean): void {
    const { held, family } = this.victim;
    this.family = family;
    this.#token = held.token;
    this.#copiedKey = withKey ? held.key : undefined;
    family.copied = true;
    if (this.#copiedKey !== undefined) family.copiedWithKey.add(held.token);
  }

  async refresh(node: number, choice: ThiefKey): Promise<void> {
    if (!this.family) return;
    const key = choice === 'none' ? undefined : (choice === 'copied' && this.#copiedKey) || this.#ownKey;
    const outcome = await this.world.present(this.family, { token: this.#token, key, node, by: 'thief' });
    // Riding along on one key is refused; the thief then knows better than to try it again.
    if (outcome.kind === 'key_reused') this.#copiedKey = undefined;
    if (outcome.kind !== 'granted' || outcome.token === this.#token) return;
    this.#token = outcome.token;
    this.#ownKey = randomUUID();
  }
}
