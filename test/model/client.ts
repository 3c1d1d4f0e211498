import { randomUUID } from 'node:crypto';
import { LEEWAY, type ModelFamily } from './family.js';
import type { Outcome, World } from './world.js';

const TABS = 3;

interface Held {
  readonly token: string;
  readonly key: string | undefined;
}

/** A request under way. Its client has given it up by `deadline`: nobody waits longer than the leeway. */
interface Request extends Held {
  readonly family: ModelFamily;
  readonly sentAt: number;
  readonly deadline: number;
}

/** What becomes of a request: it never arrives, its answer is lost, or all is well. */
export type Fate = 'lost' | 'unanswered' | 'answered';

/**
 * An honest user: up to three tabs that share one storage, where a token lies beside its key, if keys are used
 * at all. It keeps the last token it received and repeats what was not answered: with a key at any time, without
 * one within the leeway. Tabs race freely, but what is repeated late is repeated by one tab at a time.
 */
export class HonestClient {
  held!: Held;
  family!: ModelFamily;
  #loggedIn = false;
  #pending: Request[] = [];
  /** for the token held: none of these is known to have failed */
  #unanswered = new Set<Request>();
  #last: Request | undefined;

  constructor(
    private readonly world: World,
    readonly subject: string,
    private readonly usesKeys: boolean,
  ) {}

  async login(node: number): Promise<void> {
    this.family = await this.world.login(this.subject, node);
    this.#loggedIn = true;
    this.#hold(this.family.chain[0]!);
  }

  async send(node: number): Promise<void> {
    if (!this.#loggedIn) return this.login(node);
    const { now } = this.world;
    const firstSentAt = Math.min(now, ...[...this.#unanswered].map(({ sentAt }) => sentAt));
    const isLate = now - firstSentAt >= LEEWAY;
    if (isLate && !this.usesKeys) return this.login(node);
    if (this.#pending.length >= (isLate ? 1 : TABS)) return;
    const deadline = isLate ? now + 1 : firstSentAt + LEEWAY;
    const request = { ...this.held, family: this.family, sentAt: now, deadline };
    this.#unanswered.add(request);
    this.#pending.push(request);
  }

  /** @param index among the requests under way, from the oldest; -1 is the newest */
  async deliver(index: number, node: number, fate: Fate): Promise<void> {
    const [request] = this.#pending.splice(index % Math.max(1, this.#pending.length), 1);
    if (request) await this.#carry(request, node, fate);
  }

  /** Every tab's request at once, on both nodes. */
  async deliverAll(fates: readonly Fate[]): Promise<void> {
    const requests = this.#pending.splice(0);
    const carry = (request: Request, index: number) =>
      this.#carry(request, index, fates[index % fates.length]!);
    // Who was first among thief and victim can be told only when they take turns.
    if (requests.some(({ family }) => family.copied)) {
      for (const [index, request] of requests.entries()) await carry(request, index);
    } else {
      await Promise.all(requests.map(carry));
    }
  }

  /** The network brings the last request once more, while the token it carries is the client's own or its parent. */
  async deliverAgain(node: number): Promise<void> {
    const request = this.#last;
    if (!request || request.family !== this.family || !this.#loggedIn) return;
    const { chain } = this.family;
    const isOwn = this.#unanswered.has(request);
    const isParent =
      chain[chain.indexOf(request.token) + 1] === this.held.token && this.#unanswered.size === 0;
    const isInTime = this.usesKeys || this.world.now < request.deadline;
    if ((isOwn || isParent) && isInTime) await this.#carry(request, node, 'unanswered');
  }

  async logout(node: number): Promise<void> {
    if (!this.#loggedIn) return;
    await this.world.revokeToken(this.family, this.held.token, node);
    this.#loggedIn = false;
  }

  /** Requests are given up in time, so that none arrives when its token is a grandparent. */
  timePassed(): void {
    this.#pending = this.#pending.filter(({ deadline }) => deadline > this.world.now);
  }

  /** One refresh whatever the client thinks of its chances: a victim who goes on. */
  async goOn(node: number): Promise<void> {
    this.#pending = [];
    const request = { ...this.held, family: this.family, sentAt: this.world.now, deadline: Infinity };
    await this.#carry(request, node, 'answered');
  }

  async #carry(request: Request, node: number, fate: Fate): Promise<void> {
    if (fate === 'lost') return;
    this.#last = request;
    const { family, token, key } = request;
    const outcome = await this.world.present(family, { token, key, node, by: 'victim' });
    if (fate === 'answered' && family === this.family) this.#receive(request, outcome);
  }

  #receive(request: Request, outcome: Outcome): void {
    if (outcome.kind === 'invalid_grant') this.#loggedIn = false;
    if (outcome.kind === 'key_reused') throw new Error('an honest client was told that its key was spent');
    if (outcome.kind !== 'granted' || this.held.token !== request.token) return;
    if (outcome.token === request.token) this.#unanswered.delete(request);
    else this.#hold(outcome.token);
  }

  #hold(token: string): void {
    this.held = { token, key: this.usesKeys ? randomUUID() : undefined };
    this.#unanswered.clear();
  }
}
