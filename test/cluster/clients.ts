import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer, Carrier, Door, Held } from './door.js';
import type { History, Operation, Party } from './history.js';
import type { Random } from './random.js';

/** What all parties of a run share. Times in milliseconds. */
export interface Scene {
  readonly doors: readonly Door[];
  readonly history: History;
  readonly random: Random;
  readonly leeway: number;
  /** between two operations of one client, at most */
  readonly pause: number;
  /**
   * The longest a request may lie unread on its way. A client that was not answered does not spend the successor before:
   * its own late request would come when what it carries is a grandparent, which is theft by definition.
   */
  readonly lag: number;
}

/** Somebody who presents one token after the other: each answer becomes what is presented next. */
abstract class Holder {
  held: Held | undefined;
  family = '';

  constructor(
    protected readonly scene: Scene,
    readonly name: string,
    protected readonly party: Party,
    protected readonly carrier: Carrier,
  ) {}

  protected async present(door: Door, held: Held): Promise<Answer> {
    const key = held.key ?? held.text.split('.', 2)[1];
    return this.log(door, 'refresh', () => door.refresh(held, this.carrier), {
      presented: door.nameOf(held.text),
      ...(key !== undefined && { key }),
    });
  }

  protected async log(
    door: Door,
    kind: Operation['kind'],
    work: () => Promise<Answer>,
    more: Partial<Operation> = {},
  ): Promise<Answer> {
    const { history } = this.scene;
    const { party, name: client, family } = this;
    const start = history.now();
    const answer = await work();
    const { outcome, reason, text, clearedCookie } = answer;
    history.add({
      kind,
      party,
      client,
      node: door.name,
      start,
      end: history.now(),
      outcome,
      reason,
      family: kind === 'login' ? (answer.sid ?? '') : family,
      ...more,
      ...(text !== undefined && { received: door.nameOf(text) }),
      ...(clearedCookie && { clearedCookie }),
      ...(door.sendsAgain && { sentAgain: true }),
    });
    return answer;
  }
}

interface Habits {
  readonly carrier: Carrier;
  /** a cookie brings its own, so it cannot do without */
  readonly usesKeys: boolean;
}

/** Keeps the last token it received, and repeats what was not answered: with a key at any time, else within the leeway. */
export class HonestClient extends Holder {
  accessToken = '';
  /** when the token held was first sent, if it was not answered since */
  #firstSent: number | undefined;
  /** of families it has left or lost: shown on, they must be refused in the end */
  readonly #old: { family: string; accessToken: string }[] = [];

  constructor(
    scene: Scene,
    name: string,
    private readonly habits: Habits,
  ) {
    super(scene, name, 'honest', habits.carrier);
  }

  async login(door: Door): Promise<void> {
    this.#firstSent = undefined;
    this.held = undefined;
    if (this.accessToken !== '') this.#old.push({ family: this.family, accessToken: this.accessToken });
    this.accessToken = '';
    const answer = await this.log(door, 'login', () => door.login(this.name, this.carrier));
    if (answer.outcome !== 'ok') return;
    this.family = answer.sid!;
    this.#keep(answer);
  }

  /** One attempt, by several tabs at once if several doors are given: the next one repeats it, if it is not answered. */
  async refresh(...doors: Door[]): Promise<Answer | null> {
    const { held } = this;
    const { history, leeway } = this.scene;
    const since = (this.#firstSent ??= history.now());
    // Half of the leeway is for the way.
    const tooLate = !this.#hasKey && history.now() - since > leeway / 2;
    if (!held || tooLate) {
      await this.login(doors[0]!);
      return null;
    }
    const answers = await Promise.all(doors.map((door) => this.present(door, held)));
    // One tab may be given the same token, just before the leeway ends, and another the next one: that is what all hold.
    const next = answers.find(({ outcome, text }) => outcome === 'ok' && text !== held.text);
    const definite = next ?? answers.find(({ outcome }) => outcome !== 'unknown');
    if (definite?.outcome === 'ok') this.#keep(definite);
    if (definite?.outcome === 'refused') this.held = undefined;
    // A tab that is not answered may have a request under way all the same.
    return answers.find(({ outcome }) => outcome === 'unknown') ?? definite!;
  }

  async access(door: Door): Promise<Answer> {
    return this.log(door, 'access', () => door.access(this.accessToken));
  }

  async accessAsBefore(door: Door): Promise<void> {
    const { family, accessToken } = this.scene.random.of(this.#old);
    await this.log(door, 'access', () => door.access(accessToken), { family });
  }

  async logout(door: Door): Promise<void> {
    const held = this.held!;
    await this.log(door, 'revoke', () => door.logout(held, this.carrier));
    this.held = undefined;
  }

  /** Until what was not answered has been. @returns what it came to */
  async settle(patience = 15_000): Promise<Answer> {
    const { doors, random, history } = this.scene;
    for (const end = history.now() + patience; history.now() < end;) {
      const answer = await this.refresh(random.of(doors));
      if (answer && answer.outcome !== 'unknown') return answer;
      if (answer) await sleep(random.between(5, 50));
    }
    throw new Error(`${this.name} got no answer for ${patience} ms`);
  }

  /** Refreshes and uses what it got, until `signal`. */
  async live(signal: AbortSignal): Promise<void> {
    const { doors, random, pause, leeway } = this.scene;
    while (!signal.aborted) {
      const tabs = random.chance(0.2) ? [random.of(doors), random.of(doors)] : [random.of(doors)];
      const answer = await this.refresh(...tabs);
      if (answer?.outcome === 'unknown') await this.#repeat(signal);
      if (this.accessToken !== '' && random.chance(0.5)) await this.access(random.of(doors));
      // Long enough for a thief to come too late.
      if (random.chance(0.05)) await sleep(random.between(0, 3 * leeway));
      if (this.#old.length > 0 && random.chance(0.3)) await this.accessAsBefore(random.of(doors));
      await sleep(random.between(0, pause));
    }
  }

  async #repeat(signal: AbortSignal): Promise<void> {
    const { doors, random, history, lag } = this.scene;
    let unansweredAt = history.now();
    while (!signal.aborted) {
      const answer = await this.refresh(random.of(doors));
      if (answer?.outcome !== 'unknown') break;
      unansweredAt = history.now();
      await sleep(random.between(5, 50));
    }
    await sleep(Math.max(0, unansweredAt + lag - history.now()));
  }

  get #hasKey(): boolean {
    return this.habits.usesKeys || this.carrier === 'cookie';
  }

  #keep({ text, accessToken }: Answer): void {
    this.accessToken = accessToken!;
    this.#firstSent = undefined;
    if (text === this.held?.text) return;
    const { usesKeys } = this.habits;
    this.held = { text: text!, ...(usesKeys && this.carrier === 'body' && { key: randomUUID() }) };
  }
}

/** Copies what a client holds, and goes on from there. Loses no answer. */
export class Thief extends Holder {
  constructor(scene: Scene, name: string) {
    super(scene, name, 'thief', 'body');
  }

  /** @returns whether the victim held anything */
  copy(victim: HonestClient, door: Door, withKey: boolean): boolean {
    if (!victim.held) return false;
    const [text, cookieKey] = victim.held.text.split('.', 2);
    const key = withKey ? (victim.held.key ?? cookieKey) : undefined;
    this.family = victim.family;
    this.held = { text: text!, key: key ?? randomUUID() };
    const theft = { token: door.nameOf(text!), withKey: key !== undefined, at: this.scene.history.now() };
    this.scene.history.thefts.push({ family: this.family, ...theft });
    return true;
  }

  async refresh(door: Door): Promise<Answer> {
    const held = this.held!;
    const answer = await this.present(door, held);
    if (answer.outcome === 'refused') this.held = undefined;
    // Told that its key was spent, a thief draws another.
    if (answer.outcome === 'rejected') this.held = { text: held.text, key: randomUUID() };
    if (answer.outcome === 'ok' && answer.text !== held.text)
      this.held = { text: answer.text!, key: randomUUID() };
    return answer;
  }
}

/** Ends families, and needs no token for it. */
export class Admin extends Holder {
  constructor(scene: Scene) {
    super(scene, 'admin', 'admin', 'body');
  }

  /** Somebody else of the same rights, who may do something at the same time. */
  concurrently(): Admin {
    return new Admin(this.scene);
  }

  async revoke(door: Door, family: string): Promise<Answer> {
    this.family = family;
    return this.log(door, 'revoke', () => door.revoke(family));
  }

  /** Of a client that has logged in once. */
  async revokeAll(door: Door, { family, name }: HonestClient): Promise<Answer> {
    this.family = family;
    return this.log(door, 'revoke', () => door.revokeAll(name));
  }
}
