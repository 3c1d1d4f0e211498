import type { Answer, Carrier, Door, Held } from './door.js';
import type { TokenName } from './history.js';

/** Every so many requests the answer is lost. */
const LOST = 3;

/** Before several doors, in turn: where an answer is lost it sends the request again, to the next one. */
export class StubBalancer implements Door {
  readonly name = 'balancer';
  readonly sendsAgain = true;
  #count = 0;
  #turn = 0;

  constructor(private readonly doors: readonly Door[]) {}

  nameOf(text: string): TokenName {
    return this.doors[0]!.nameOf(text);
  }

  login(subject: string, carrier: Carrier): Promise<Answer> {
    return this.#send((door) => door.login(subject, carrier));
  }

  refresh(held: Held, carrier: Carrier): Promise<Answer> {
    return this.#send((door) => door.refresh(held, carrier));
  }

  logout(held: Held, carrier: Carrier): Promise<Answer> {
    return this.#send((door) => door.logout(held, carrier));
  }

  revoke(sid: string): Promise<Answer> {
    return this.#send((door) => door.revoke(sid));
  }

  revokeAll(subject: string): Promise<Answer> {
    return this.#send((door) => door.revokeAll(subject));
  }

  access(accessToken: string): Promise<Answer> {
    return this.#send((door) => door.access(accessToken));
  }

  async #send(ask: (door: Door) => Promise<Answer>): Promise<Answer> {
    const isLost = ++this.#count % LOST === 0;
    if (isLost) await ask(this.#next());
    return ask(this.#next());
  }

  #next(): Door {
    return this.doors[this.#turn++ % this.doors.length]!;
  }
}
