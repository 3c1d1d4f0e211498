import { secretsOf } from './forge.js';

/** Seconds. Time passes in steps of 20: no age comes nearer than 10 s to a limit, however slow the machine is. */
export const LEEWAY = 50;
export const IDLE_LIFETIME = 7 * 86_400 + 10;
export const LIFETIME = 30 * 86_400 + 10;

type Party = 'victim' | 'thief' | 'forger';

export interface Presentation {
  readonly token: string;
  readonly key: string | undefined;
  readonly node: number;
  readonly by: Party;
}

interface Spending {
  readonly by: Party;
  readonly key: string | undefined;
  readonly at: number;
}

export function violation(what: string): Error {
  return new Error(`Broken promise: ${what}`);
}

/** All that ever happened to one login, and the promises about it. */
export class ModelFamily {
  /** every token handed out, by generation */
  readonly chain: string[];
  ended: 'logout' | 'reuse' | null = null;
  /** whether a thief has ever held a token of it */
  copied = false;
  /** tokens that were copied together with their key: each is good for one quiet retry */
  readonly copiedWithKey = new Set<string>();
  readonly #spent: Spending[] = [];
  readonly #root: string;
  readonly #issuedAt: number;
  #rotatedAt: number;
  readonly #quietRetries = new Set<string>();

  constructor(
    readonly sid: string,
    readonly subject: string,
    first: string,
    now: number,
  ) {
    this.chain = [first];
    this.#root = secretsOf(first).root.toString('hex');
    this.#issuedAt = now;
    this.#rotatedAt = now;
  }

  isExpired(now: number): boolean {
    return now >= this.#issuedAt + LIFETIME || now >= this.#rotatedAt + IDLE_LIFETIME;
  }

  isAlive(now: number): boolean {
    return this.ended === null && !this.isExpired(now);
  }

  granted(presented: Presentation, token: string, now: number): void {
    if (this.ended !== null) throw violation(`a family ended by ${this.ended} was refreshed`);
    if (this.isExpired(now)) throw violation('an expired family was refreshed');
    const generation = this.chain.indexOf(presented.token);
    this.#checkTheft(presented, generation, now);
    if (token === presented.token) return;
    const known = this.chain[generation + 1];
    if (known === undefined) {
      if (secretsOf(token).root.toString('hex') !== this.#root)
        throw violation('a successor of another family');
      this.chain.push(token);
      this.#spent.push({ by: presented.by, key: presented.key, at: now });
      this.#rotatedAt = now;
    } else if (known !== token) {
      throw violation('a token has two distinct successors');
    }
  }

  refused({ by }: Presentation, now: number): void {
    if (!this.isAlive(now)) return;
    if (!this.copied) throw violation(`an honest ${by} was told invalid_grant`);
    this.ended = 'reuse';
  }

  /** Whoever comes second, after the leeway, with what the other party has spent, must have ended the family. */
  #checkTheft({ token, key, by }: Presentation, generation: number, now: number): void {
    const spent = this.#spent[generation];
    if (!spent || spent.by === by || now - spent.at < LEEWAY) return;
    if (key === undefined || key !== spent.key) throw violation('theft went unnoticed');
    if (!this.copiedWithKey.has(token)) throw violation('a key was accepted that was never copied');
    this.#quietRetries.add(`${generation} by ${by}`);
    if (this.#quietRetries.size > this.copiedWithKey.size) throw violation('theft went unnoticed twice');
  }
}
