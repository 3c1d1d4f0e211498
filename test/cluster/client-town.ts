import { setTimeout as sleep } from 'node:timers/promises';
import { memoryStorage, type TokenResponse, type TokenStorage } from 'token-family-client';
import { send } from '../support/http.js';
import { ClientUser } from './client-user.js';
import { demand } from './fault.js';
import type { Random } from './random.js';

/** Of one session after the other: most are alone, some have tabs. */
const TABS = [1, 1, 1, 3, 1, 1, 2];
/** Seconds. A late answer comes before the longer one has passed, and after the shorter one. */
const TIMEOUTS = [4, 10];
/** Milliseconds until a client has access again when all is well: it may have drawn a long pause just before. */
const PATIENCE = 45_000;

/**
 * Shared as tabs and processes share one: with a lock, and what one has written, another one reads a moment later.
 *
 * Without a lock a request that was slow on its way may carry a grandparent by the time it is read: tokens that live for
 * seconds allow that, and it is theft by definition.
 */
function sharedStorage(random: Random): TokenStorage {
  const storage = memoryStorage();
  const pause = (): Promise<void> => sleep(random.between(0, 3));
  let last: Promise<unknown> = Promise.resolve();
  return {
    get: () => pause().then(() => storage.get()),
    set: (value) => pause().then(() => storage.set(value)),
    remove: () => pause().then(() => storage.remove()),
    lock: (task, timeout) => {
      const turn = Promise.race([last, sleep(timeout, undefined, { ref: false })]).then(task);
      last = turn.catch(() => {});
      return turn;
    },
  };
}

/** Everybody who uses a client in a run. */
export class Town {
  readonly users: ClientUser[] = [];
  readonly sids: string[] = [];

  constructor(
    private readonly baseUrl: string,
    private readonly random: Random,
  ) {}

  /** One session, and all who share it. */
  async logIn(index: number): Promise<void> {
    const { baseUrl, random } = this;
    const tabs = TABS[index % TABS.length]!;
    const storage = tabs === 1 ? memoryStorage() : sharedStorage(random);
    const add = (): ClientUser => {
      const timeout = TIMEOUTS[this.users.length % TIMEOUTS.length]!;
      const user = new ClientUser({ baseUrl, random }, { name: `session ${index}`, storage }, timeout);
      this.users.push(user);
      return user;
    };
    const { body } = await send(`${baseUrl}/test/login`, { json: { subject: `client ${index}` } });
    this.sids.push(String(body['sid']));
    await add().client.setTokens(body as unknown as TokenResponse);
    for (let tab = 1; tab < tabs; tab++) add();
  }

  /** @returns the longest that any of them was without access */
  async untilAccepted(): Promise<number> {
    return Math.max(...(await Promise.all(this.users.map((user) => user.untilAccepted(PATIENCE)))));
  }

  /** All of them, the shortest first. */
  outages(): number[] {
    return this.users.flatMap(({ seen }) => seen.outages).toSorted((left, right) => left - right);
  }

  /** @throws {Error} somebody was logged out, or refused */
  check(): void {
    for (const { seen, client } of this.users) {
      const ended = seen.changes.find(({ session }) => session === null);
      demand(!ended, `a client was logged out: ${ended?.reason}`);
      demand(seen.refusals.length === 0, `a client saw ${seen.refusals[0]}`);
      demand(this.sids.includes(client.session?.sid ?? ''), 'a client forgot its session');
    }
  }

  close(): void {
    for (const { client } of this.users) client.dispose();
  }
}
