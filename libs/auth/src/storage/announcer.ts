import type { DataSource } from 'typeorm';
import { announcing, MAX_NAMED } from './announcements.js';
import { NOTIFY } from './channel.statements.js';
import { PrimaryConnection } from './primary-connection.js';

/** Seconds: later than this, a poll has told. */
const PATIENCE = 2;

/** Notifies the other nodes, over the pool: a notification passes any pooler. */
export class Announcer {
  readonly #primary: PrimaryConnection;
  #unsaid: readonly string[] = [];
  #isSpeaking = false;

  constructor(
    dataSource: DataSource,
    private readonly channel: string,
    private readonly options: {
      readonly preparedStatements: boolean;
      /** is told why a notification was not sent */
      readonly onFailure: (error: unknown) => void;
    },
  ) {
    this.#primary = new PrimaryConnection(dataSource, { ...options, queryTimeout: PATIENCE });
  }

  /** Is not waited for. What comes while a notification is under way shares the next one. */
  announce(sids: readonly string[]): void {
    // Beyond that many none is named: there is nothing to keep.
    if (this.#unsaid.length <= MAX_NAMED) this.#unsaid = this.#unsaid.concat(sids);
    if (!this.#isSpeaking) void this.#speak();
  }

  /** @throws {UnavailableError} not known to have been sent */
  async say(payloads: readonly string[]): Promise<void> {
    await this.#primary.run(NOTIFY, [this.channel, payloads]);
  }

  async #speak(): Promise<void> {
    this.#isSpeaking = true;
    while (this.#unsaid.length > 0) {
      const payloads = announcing(this.#unsaid);
      this.#unsaid = [];
      await this.say(payloads).catch(this.options.onFailure);
    }
    this.#isSpeaking = false;
  }
}
