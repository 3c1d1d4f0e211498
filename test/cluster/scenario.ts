import { setTimeout as sleep } from 'node:timers/promises';
import { check, report } from './checker.js';
import { Admin, HonestClient, type Scene } from './clients.js';
import type { Cluster } from './cluster.js';
import { HttpDoor, type Answer, type Carrier, type Door } from './door.js';
import { demand } from './fault.js';
import { History, rowsOf, type FamilyRow } from './history.js';
import { play, type Cast } from './play.js';
import { Random } from './random.js';

interface Telling {
  readonly seed?: number;
  readonly clocksAreRight?: boolean;
  /** milliseconds a client waits */
  readonly patience?: number;
  /** milliseconds a request may lie unread on its way, if this is what the fault does; see `Scene` */
  readonly lag?: number;
}

/** Poll interval and one second: how soon access ends when all is well, in milliseconds. */
export const healthyDelta = ({ settings }: Cluster): number => (settings.pollInterval + 1) * 1000;

/** Clients on a cluster, everything they see, and the question whether it was right. */
export class Scenario {
  readonly history = new History();
  readonly doors: readonly Door[];
  readonly scene: Scene;
  readonly admin: Admin;
  #clients = 0;

  constructor(
    readonly cluster: Cluster,
    private readonly telling: Telling = {},
  ) {
    const { seed = 1, patience = 3_000, lag = 0 } = telling;
    this.doors = cluster.nodes.map((node) => new HttpDoor(node, patience));
    this.scene = {
      doors: this.doors,
      history: this.history,
      random: new Random(seed),
      leeway: cluster.settings.leeway * 1000,
      pause: 60,
      lag,
    };
    this.admin = new Admin(this.scene);
  }

  door(index: number): Door {
    return this.doors[index % this.doors.length]!;
  }

  /** Somebody new, logged in. */
  async client(carrier: Carrier = 'body', subject?: string): Promise<HonestClient> {
    const name = subject ?? `client ${++this.#clients} of ${this.history.now()}`;
    const client = new HonestClient(this.scene, name, { carrier, usesKeys: true });
    for (let index = 0; !client.held && index < 20; index++) await client.login(this.door(index));
    demand(client.held !== undefined, `${name} could not log in`);
    return client;
  }

  /** One with its key beside the token, one with a cookie. */
  both(): Promise<HonestClient[]> {
    return Promise.all([this.client('body'), this.client('cookie')]);
  }

  /** Clients live while `work` goes on; afterwards all that they saw is checked. */
  async traffic(cast: Cast, work: () => Promise<unknown>): Promise<void> {
    await play(this.scene, cast, work);
    await this.verify();
  }

  async rowOf({ family }: HonestClient): Promise<FamilyRow> {
    return (await rowsOf(this.cluster.database, [family]))[0]!;
  }

  /** @throws {Error} any promise is broken */
  async verify(): Promise<void> {
    const { leeway, maxStaleness } = this.cluster.settings;
    const rows = await rowsOf(this.cluster.database, this.history.families());
    const violations = check(this.history, rows, {
      leeway: leeway * 1000,
      accessEndsWithin: maxStaleness * 1000 + healthyDelta(this.cluster),
      clocksAreRight: this.telling.clocksAreRight ?? true,
    });
    demand(violations.length === 0, report(violations));
    const odd = this.history.operations.find(({ reason }) => /^5(?!03)/.test(reason));
    demand(!odd, `an answer that is neither success, refusal nor 503: ${odd?.kind} ${odd?.reason}`);
  }

  /** How many refreshes came to what. */
  counts(): string {
    const refreshes = this.history.operations.filter(({ kind }) => kind === 'refresh');
    const of = (wanted: string) => refreshes.filter(({ outcome }) => outcome === wanted).length;
    return `${of('ok')} refreshes answered, ${of('unknown')} without an answer or 503, ${of('refused')} refused`;
  }

  /** Asks over and over until `wanted`. @returns milliseconds it took */
  async until(what: string, wanted: () => Promise<boolean>, patience = 30_000): Promise<number> {
    const start = performance.now();
    while (!(await wanted())) {
      demand(performance.now() - start < patience, `after ${patience} ms still not: ${what}`);
      await sleep(10);
    }
    return performance.now() - start;
  }

  /** Until so many connections of the nodes wait for a lock. */
  async untilWaiting(count = 1): Promise<void> {
    const sql = `select 1 from pg_stat_activity where wait_event_type = 'Lock'
                 and application_name like 'node\\_%' and datname = current_database()`;
    await this.until(
      'somebody waits for a lock',
      async () => (await this.cluster.database.query(sql)).length >= count,
    );
  }

  /** Holds the rows of these families locked while `work` goes on. */
  async whileLocked(families: readonly string[], work: () => Promise<unknown>): Promise<void> {
    await this.holding('select 1 from refresh_token where family_id = any($1) for update', [families], work);
  }

  async holding(sql: string, parameters: unknown[], work: () => Promise<unknown>): Promise<void> {
    const source = await this.cluster.database.connect({ poolSize: 1 });
    const runner = source.createQueryRunner();
    try {
      await runner.startTransaction();
      await runner.query(sql, parameters);
      await work();
      await runner.rollbackTransaction();
    } finally {
      await runner.release();
      await source.destroy();
    }
  }
}

/** @throws {Error} it is anything but 503, or it takes the cookie away */
export function demandUnavailable(answer: Answer, what: string): void {
  demand(answer.reason === '503 temporarily_unavailable', `${what} was answered ${answer.reason}`);
  demand(answer.clearedCookie !== true, `${what} lost its cookie`);
}

/** @returns the result, and how many milliseconds it took */
export async function timed<T>(work: () => Promise<T>): Promise<[T, number]> {
  const start = performance.now();
  return [await work(), performance.now() - start];
}

export const seconds = (milliseconds: number): string => `${(milliseconds / 1000).toFixed(1)} s`;
