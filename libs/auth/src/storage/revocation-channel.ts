import { randomUUID } from 'node:crypto';
import type { Notification } from 'pg';
import type { DataSource } from 'typeorm';
import { LogEntry } from '../core/log-entry.js';
import type { ResolvedOptions } from '../core/options.js';
import type { RevocationChannel, RevocationListener } from '../core/revocation-ports.js';
import { reasonOf } from '../core/reason.js';
import { probing, readAnnouncement } from './announcements.js';
import { Announcer } from './announcer.js';
import { channelOf, listeningFor } from './channel.statements.js';
import { HintedSessions } from './hinted-sessions.js';
import { clientBeside, ListeningConnection, type ConnectionPace } from './listening-connection.js';
import { RefreshToken } from './refresh-token.entity.js';
import { quoteTable } from './table-name.js';

/** Milliseconds. */
export interface ChannelPace extends ConnectionPace {
  /** until this node must have heard itself */
  readonly probe: number;
  /** from one sign of life to the next */
  readonly heartbeat: number;
  /** at most this after the first failure, then twice as much each time, and never more than `longestRetry` */
  readonly firstRetry: number;
  readonly longestRetry: number;
  /** after nothing was heard through a pooler: that will not change by itself */
  readonly deafRetry: number;
}

const PACE: ChannelPace = {
  connect: 5_000,
  answer: 5_000,
  goodbye: 250,
  probe: 2_000,
  heartbeat: 10_000,
  firstRetry: 100,
  longestRetry: 30_000,
  deafRetry: 300_000,
};

interface Log {
  log(entry: LogEntry): void;
  warn(entry: LogEntry): void;
  debug(entry: LogEntry): void;
}

/** LISTEN is taken, and nothing is delivered: so does PgBouncer in transaction mode. */
class DeafError extends Error {
  constructor() {
    super(
      'the connection goes through a pooler that delivers no notifications. Set revocation.listenUrl to the ' +
        "database's own address, or revocation.listen: false",
    );
  }
}

/**
 * Tells of revocations by NOTIFY, and hears of them on one connection of its own beside the pool.
 *
 * Polling does not depend on it: all that goes wrong here is logged once, tried again, and costs time alone. A
 * notification is only a hint, because every role that may connect can send one: what the table does not confirm is
 * not believed.
 */
export class PostgresRevocationChannel implements RevocationChannel {
  readonly #pace: ChannelPace;
  readonly #channel: string;
  readonly #sql: ReturnType<typeof listeningFor>;
  readonly #announcer: Announcer;
  #connection: ListeningConnection | null = null;
  #probe: { readonly nonce: string; readonly heard: () => void } | null = null;
  /** why nothing is heard, as the log has it */
  #told: 'lost' | 'deaf' | null = null;
  #isOpen = false;
  #isClosed = false;
  #wake: () => void = () => {};

  /**
   * @param dataSource initialised, with the entity RefreshToken among its entities
   * @param pace for tests, which cannot wait
   */
  constructor(
    private readonly dataSource: DataSource,
    private readonly options: Pick<ResolvedOptions, 'revocation' | 'database'>,
    private readonly logger: Log,
    pace: Partial<ChannelPace> = {},
  ) {
    this.#pace = { ...PACE, ...pace };
    const table = quoteTable(dataSource.getMetadata(RefreshToken).tablePath);
    this.#channel = channelOf(table);
    this.#sql = listeningFor(table);
    this.#announcer = new Announcer(dataSource, this.#channel, {
      preparedStatements: options.database.preparedStatements,
      onFailure: (error) =>
        logger.debug(new LogEntry({ event: 'revocations_unannounced', cause: reasonOf(error) })),
    });
  }

  announce(sids: readonly string[]): void {
    if (!this.#isClosed) this.#announcer.announce(sids);
  }

  open(listener: RevocationListener): void {
    if (this.#isOpen || this.#isClosed || !this.options.revocation.listen) return;
    this.#isOpen = true;
    void this.#keepHearing(listener);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#wake();
    await this.#connection?.close();
  }

  async #keepHearing(listener: RevocationListener): Promise<void> {
    let failures = 0;
    while (!this.#isClosed) {
      const { reason, hasLasted } = await this.#hear(listener);
      if (this.#isClosed) return;
      this.#tellSilence(reason);
      failures = hasLasted ? 1 : failures + 1;
      await this.#pause(this.#untilRetry(reason, failures));
    }
  }

  /** Hears for as long as the connection holds; then says why it does not. */
  async #hear(listener: RevocationListener): Promise<{ reason: Error; hasLasted: boolean }> {
    try {
      const connection = this.#connect(listener);
      this.#connection = connection;
      const reason = await this.#hearOn(connection, listener).catch((error: Error) => error);
      await connection.close();
      return { reason, hasLasted: connection.hasLasted };
    } catch (error) {
      return { reason: error as Error, hasLasted: false };
    }
  }

  async #hearOn(connection: ListeningConnection, listener: RevocationListener): Promise<Error> {
    await connection.connect();
    await connection.query(this.#sql.listen);
    listener.joined();
    await this.#prove(connection);
    await connection.query(this.#sql.introduce);
    this.#tellHearing();
    connection.watch(this.#sql.isListening, this.#pace.heartbeat);
    return connection.ended;
  }

  #connect(listener: RevocationListener): ListeningConnection {
    const client = clientBeside(this.dataSource, this.options.revocation.listenUrl, this.#pace.connect);
    const connection = new ListeningConnection(client, this.#pace, (message) => take(message));
    const hints = new HintedSessions((sids) => connection.query(this.#sql.confirm, [sids]), listener);
    const take = ({ channel, payload = '' }: Notification) => {
      if (channel !== this.#channel) return;
      const said = readAnnouncement(payload);
      if (said.kind === 'revoked') hints.add(said.sids);
      else if (said.kind === 'many') listener.missed();
      else if (said.nonce === this.#probe?.nonce) this.#probe.heard();
    };
    return connection;
  }

  /** A pooler in transaction mode takes LISTEN, and delivers nothing: to hear oneself is the only proof. */
  async #prove(connection: ListeningConnection): Promise<void> {
    const nonce = randomUUID();
    let isHeard = false;
    const heard = new Promise<void>((resolve) => {
      this.#probe = { nonce, heard: () => resolve(void (isHeard = true)) };
    });
    await this.#announcer.say([probing(nonce)]);
    await Promise.race([heard, connection.ended, this.#pause(this.#pace.probe)]);
    // What was delivered is read before this is answered: a busy node must not take itself for deaf.
    await connection.query(this.#sql.isListening);
    if (isHeard) return;
    await connection.query(this.#sql.unlisten);
    throw new DeafError();
  }

  /** Full jitter: nodes that lost the same server do not come back in step. */
  #untilRetry(reason: Error, failures: number): number {
    const { deafRetry, firstRetry, longestRetry } = this.#pace;
    if (reason instanceof DeafError) return deafRetry * (0.5 + Math.random());
    return Math.random() * Math.min(longestRetry, firstRetry * 2 ** (failures - 1));
  }

  #pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
      if (this.#isClosed) resolve();
      else setTimeout(resolve, milliseconds).unref();
    });
  }

  /** One line for a silence, not for every attempt to end it. */
  #tellSilence(reason: Error): void {
    const kind = reason instanceof DeafError ? 'deaf' : 'lost';
    if (this.#told === 'deaf' || this.#told === kind) return;
    this.#told = kind;
    this.logger.warn(new LogEntry({ event: 'revocations_unheard', cause: reasonOf(reason) }));
  }

  #tellHearing(): void {
    if (this.#told) this.logger.log(new LogEntry({ event: 'revocations_heard' }));
    this.#told = null;
  }
}
