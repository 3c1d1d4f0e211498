import { randomUUID } from 'node:crypto';
import type { DataSource } from 'typeorm';
import type { RevokedSession } from '../../libs/auth/src/core/ports.js';
import type { RevocationListener } from '../../libs/auth/src/core/revocation-ports.js';
import { channelOf } from '../../libs/auth/src/storage/channel.statements.js';
import {
  PostgresRevocationChannel,
  type ChannelPace,
} from '../../libs/auth/src/storage/revocation-channel.js';
import { createDatabase, type TestDatabase } from './database.js';
import { KeptLog } from './kept-log.js';
import { storeOptions } from './stores.js';
import { soon, Wire } from './wire.js';

export const TABLE = '"refresh_token"';
export const CHANNEL = channelOf(TABLE);

/** A node that knows nothing yet. */
export class Ear implements RevocationListener {
  readonly sessions: RevokedSession[] = [];
  readonly known = new Set<string>();
  readonly times: number[] = [];
  misses = 0;
  joins = 0;

  isKnown = (sid: string): boolean => this.known.has(sid);

  heard = (sessions: readonly RevokedSession[], now: number): void => {
    this.sessions.push(...sessions);
    this.times.push(now);
  };

  missed = (): void => void this.misses++;

  joined = (): void => void this.joins++;

  get sids(): string[] {
    return this.sessions.map(({ sid }) => sid);
  }
}

interface Setting {
  readonly pace?: Partial<ChannelPace>;
  readonly on?: DataSource;
  readonly listen?: boolean;
  readonly listenUrl?: string | undefined;
  readonly log?: KeptLog;
}

/** Channels on one database, without the nodes around them. */
export class Channels {
  /** by which their own connections go, unless another address is given */
  wire!: Wire;
  /** closed after each test, the last one first */
  readonly opened: { close(): Promise<void> }[] = [];

  private constructor(
    readonly database: TestDatabase,
    private readonly source: DataSource,
  ) {}

  static async create(): Promise<Channels> {
    const database = await createDatabase();
    return new Channels(database, await database.connect({ poolSize: 3 }));
  }

  async begin(): Promise<void> {
    this.wire = await Wire.to(this.database.url);
  }

  async end(): Promise<void> {
    for (const each of this.opened.splice(0).toReversed()) await each.close();
    await this.wire.close();
    if (!(await soon(async () => (await this.listeners()) === 0))) throw new Error('Somebody still listens');
  }

  channelWith({ pace, on, listen = true, log, ...rest }: Setting = {}): PostgresRevocationChannel {
    const { listenUrl } = { listenUrl: this.wire.url, ...rest };
    const options = { ...storeOptions, revocation: { ...storeOptions.revocation, listen, listenUrl } };
    const channel = new PostgresRevocationChannel(on ?? this.source, options, log ?? new KeptLog(), pace);
    this.opened.push(channel);
    return channel;
  }

  /** One that has proven that it hears. */
  async hearing(setting: Setting = {}): Promise<{ channel: PostgresRevocationChannel; ear: Ear }> {
    const [channel, ear] = [this.channelWith(setting), new Ear()];
    channel.open(ear);
    if (!(await soon(async () => (await this.listeners()) === 1))) throw new Error('Nobody hears');
    return { channel, ear };
  }

  async listeners(): Promise<number> {
    const named = `select 1 from pg_stat_activity where datname = current_database() and application_name = 'revocations'`;
    return (await this.database.query(named)).length;
  }

  /** @returns the id of a session */
  async family({ revoked }: { revoked: boolean }): Promise<string> {
    const sid = randomUUID();
    await this.database.query(
      `insert into refresh_token (family_id, subject, client_id, generation, root_hash, step_hash, key_id, issued_at,
                                  rotated_at, idle_expires_at, expires_at, revoked_at, revocation_reason)
       values ($1, 's', 'default', 0, '', '', 1, now(), now(), now(), now(),
               case when $2::boolean then clock_timestamp() end, case when $2::boolean then 'logout' end)`,
      [sid, revoked],
    );
    return sid;
  }

  async notify(payload: string, channel = CHANNEL): Promise<void> {
    await this.database.query('select pg_notify($1, $2)', [channel, payload]);
  }
}
