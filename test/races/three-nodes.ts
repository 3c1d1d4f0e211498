import type { DataSource } from 'typeorm';
import {
  InvalidGrantError,
  type TokenEventType,
  type TokenFamilyOptions,
  type TokenPair,
} from 'nestjs-token-family';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { options, startNode, type TestNode } from '../support/node.js';

interface Row {
  readonly generation: number;
  readonly reason: string | null;
}

/** Three whole applications on one database, and what can be asked of all of them. */
export class ThreeNodes {
  private constructor(
    readonly database: TestDatabase,
    /** the application's own connections */
    readonly source: DataSource,
    readonly all: readonly TestNode[],
  ) {}

  static async start(changes: Partial<TokenFamilyOptions> = {}): Promise<ThreeNodes> {
    const database = await createDatabase();
    const nodes = await Promise.all(
      [1, 2, 3].map(() => startNode({ url: database.url, options: options(changes) })),
    );
    return new ThreeNodes(database, await database.connect(), nodes);
  }

  async close(): Promise<void> {
    for (const node of this.all) await node.close();
    await this.database.drop();
  }

  at(index: number): TestNode {
    return this.all[index % this.all.length]!;
  }

  /** How many events of a family were told by all nodes together. */
  told(type: TokenEventType, sid: string): number {
    const events = this.all.flatMap((node) => node.events);
    return events.filter((event) => event.type === type && event.sid === sid).length;
  }

  async rowOf(sid: string): Promise<Row> {
    const sql = 'select generation, revocation_reason as reason from refresh_token where family_id = $1';
    return (await this.database.query<Row>(sql, [sid]))[0]!;
  }

  /** The pair, or null for `invalid_grant`; anything else fails the test. */
  async rotate(index: number, token: string): Promise<TokenPair | null> {
    return this.at(index)
      .tokens.rotate(token)
      .catch((error: unknown) => {
        if (error instanceof InvalidGrantError) return null;
        throw error;
      });
  }

  /** How many of the nodes refresh with `token`. */
  async accepting(token: string): Promise<number> {
    const answers = await Promise.all(this.all.map((_, index) => this.rotate(index, token)));
    return answers.filter(Boolean).length;
  }

  /**
   * Runs both at once, so that each comes first in some rounds: one of them, in turn, starts up to three round
   * trips to the database after the other, which scales with the machine as no pause would.
   */
  async race<A, B>(round: number, one: () => Promise<A>, other: () => Promise<B>): Promise<[A, B]> {
    const late = async <T>(start: () => Promise<T>): Promise<T> => {
      for (let trips = (round >> 1) % 4; trips > 0; trips--) await this.source.query('select 1');
      return start();
    };
    return Promise.all(round % 2 === 0 ? [one(), late(other)] : [late(one), other()]);
  }

  /** Returns when so many wait for an advisory lock: of a subject, or of everyone. */
  async untilWaitingForLogin(count = 1): Promise<void> {
    const waiting = `select 1 from pg_locks where locktype = 'advisory' and not granted
                     and database = (select oid from pg_database where datname = current_database())`;
    while ((await this.database.query(waiting)).length < count);
  }
}
