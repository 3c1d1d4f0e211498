import { randomUUID } from 'node:crypto';
import { refresh, type Answer } from '../../support/http.js';
import { demand } from '../fault.js';

interface Place {
  readonly url: string;
}

/** Every token of one family so far, and the key its owner sends with each, at every attempt. */
export class Chain {
  readonly tokens: string[];
  readonly #keys: string[] = [];

  constructor(
    private readonly node: Place,
    readonly pair: { readonly sid: string; readonly refreshToken: string; readonly accessToken: string },
  ) {
    this.tokens = [pair.refreshToken];
  }

  get newest(): string {
    return this.tokens.at(-1)!;
  }

  /** @throws {Error} an answer other than 200 */
  async refresh(times = 1, node = this.node): Promise<void> {
    for (let count = 0; count < times; count++) {
      const { status, body } = await this.present(this.tokens.length - 1, node);
      demand(status === 200, `generation ${this.tokens.length - 1} was answered ${status}`);
      this.tokens.push(body['refresh_token'] as string);
    }
  }

  /** By its owner; what is answered is not kept. */
  present(generation: number, node = this.node): Promise<Answer> {
    const key = (this.#keys[generation] ??= randomUUID());
    return refresh(node, this.tokens[generation], { 'idempotency-key': key });
  }
}
