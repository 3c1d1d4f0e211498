import type { Client, ClientConfig, Connection, Notification } from 'pg';
import type { DataSource } from 'typeorm';
import { AS_TEXT } from './primary-connection.js';
import type { Row } from './rows.js';

/** Milliseconds. */
export interface ConnectionPace {
  /** until a connection is there */
  readonly connect: number;
  /** until a statement is answered */
  readonly answer: number;
  /** until the server has taken leave */
  readonly goodbye: number;
}

/** What the pool makes its own connections of; public on it, absent from its interface. */
interface PrimaryPool {
  readonly Client: new (config: ClientConfig) => Client;
  readonly options: ClientConfig;
}

/**
 * A client as the data source's pool would make one, and not of the pool.
 *
 * @param url in place of the pool's own address
 * @throws {Error} the data source is closed
 */
export function clientBeside(dataSource: DataSource, url: string | undefined, timeout: number): Client {
  const { master } = dataSource.driver as unknown as { master?: PrimaryPool };
  if (!master) throw new Error('The data source is closed');
  const { Client, options } = master;
  // pg-pool hides the password from enumeration.
  const { password } = options;
  const client = new Client({
    ...options,
    ...(password !== undefined && { password }),
    ...(url !== undefined && { connectionString: url }),
    connectionTimeoutMillis: timeout,
    keepAlive: true,
    // It would leave a statement without its answer, and the connection open.
    query_timeout: 0,
  });
  // Its constructor takes the lack of a password in the URL for none; the pool's may be a function that fetches one.
  client.password ??= password as string | undefined;
  return client;
}

/** One connection that hears notifications. It ends once, for whatever reason, and never emits an error unheard. */
export class ListeningConnection {
  /** resolves with the reason when it is over */
  readonly ended: Promise<Error>;
  #reason: Error | undefined;
  #resolveEnded!: (reason: Error) => void;
  #abort: (reason: Error) => void = () => {};
  #tail: Promise<unknown> = Promise.resolve();
  #heartbeat: NodeJS.Timeout | undefined;
  #hasLasted = false;

  constructor(
    private readonly client: Client,
    private readonly pace: ConnectionPace,
    hear: (message: Notification) => void,
  ) {
    this.ended = new Promise((resolve) => (this.#resolveEnded = resolve));
    client.on('error', (error) => this.#end(error));
    client.on('end', () => this.#end(new Error('The connection was closed')));
    client.on('notification', hear);
  }

  /** It has answered to at least one heartbeat. */
  get hasLasted(): boolean {
    return this.#hasLasted;
  }

  async connect(): Promise<void> {
    await this.#within(this.pace.connect, () => this.client.connect());
    // As an idle connection of a pool does not for long, it does not keep a process alive that has nothing else to do.
    this.#stream?.unref?.();
  }

  /**
   * One statement at a time, each answered in time, or else the connection is over.
   *
   * @throws {Error} the server's, or the reason why the connection is over
   */
  query(text: string, values: unknown[] = []): Promise<Row[]> {
    const rows = this.#tail.then(() => this.#within(this.pace.answer, () => this.#query(text, values)));
    this.#tail = rows.catch(() => {});
    return rows;
  }

  /**
   * Asks `question` every so many milliseconds, for as long as there is an answer of one row: a connection that is open
   * at one end only says nothing by itself.
   */
  watch(question: string, every: number): void {
    const beat = async () => {
      try {
        if ((await this.query(question)).length === 0) throw new Error('The session that listened is gone');
        this.#hasLasted = true;
        this.watch(question, every);
      } catch (error) {
        this.destroy(error as Error);
      }
    };
    if (!this.#reason) this.#heartbeat = setTimeout(() => void beat(), every).unref();
  }

  /** Takes leave of the server, if it still listens. */
  async close(): Promise<void> {
    if (this.#reason) return this.destroy(this.#reason);
    // Other than those beside it, this timer keeps the process alive: somebody is waiting.
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, this.pace.goodbye)));
    await Promise.race([this.client.end().catch(() => {}), late]);
    clearTimeout(timer);
    this.destroy(new Error('Closed by this node'));
  }

  /** The server may be gone without a word: nothing is waited for. */
  destroy(reason: Error): void {
    this.#end(reason);
    this.#stream?.destroy();
  }

  async #query(text: string, values: unknown[]): Promise<Row[]> {
    const { rows } = await this.client.query<(string | null)[]>({
      text,
      values,
      rowMode: 'array',
      types: AS_TEXT,
    });
    return rows;
  }

  async #within<T>(milliseconds: number, work: () => Promise<T>): Promise<T> {
    if (this.#reason) throw this.#reason;
    const late = () => this.destroy(new Error(`No answer from PostgreSQL within ${milliseconds} ms`));
    const timer = setTimeout(late, milliseconds).unref();
    const over = new Promise<never>((_, reject) => (this.#abort = reject));
    try {
      return await Promise.race([work(), over]);
    } finally {
      clearTimeout(timer);
    }
  }

  #end(reason: Error): void {
    if (this.#reason) return;
    this.#reason = reason;
    clearTimeout(this.#heartbeat);
    this.#abort(reason);
    this.#resolveEnded(reason);
  }

  /** Another one after a change to TLS, and none with the native driver. */
  get #stream(): (Connection['stream'] & { unref?(): void }) | undefined {
    return (this.client as Partial<Pick<Client, 'connection'>>).connection?.stream;
  }
}
