import type { Pool, PoolClient } from 'pg';
import type { DataSource } from 'typeorm';
import { UnavailableError } from '../core/errors.js';
import { requestCancel } from './cancel-request.js';
import { waitsFor } from './pool-waits.js';
import type { Row } from './rows.js';
import type { Statement } from './sql.js';

type Release = (destroy?: Error) => void;
type Run = (statement: Statement, values: unknown[]) => Promise<Row[]>;

/** TypeORM's own way to a pooled connection of the primary; public on the driver, absent from its interface. */
interface PrimaryDriver {
  readonly master: Pool | undefined;
  obtainMasterConnection(): Promise<[PoolClient, Release]>;
}

export interface ConnectionOptions {
  /** seconds for one piece of work, waiting for a connection included */
  readonly queryTimeout: number;
  readonly preparedStatements: boolean;
}

/** Every value arrives as the text PostgreSQL sent, whatever parsers the application has set. */
export const AS_TEXT = { getTypeParser: () => (value: string) => value };

/**
 * Runs statements on a data source's own pool, on the primary, in bounded time.
 *
 * It goes past `DataSource.query()`, which takes about twice the time for the statements of a rotation and, with
 * replication configured, may read from a standby.
 *
 * Every method throws UnavailableError when there is no connection, no answer in time, or any error of the
 * server. What was asked for may have been carried out all the same.
 */
export class PrimaryConnection {
  constructor(
    private readonly dataSource: DataSource,
    private readonly options: ConnectionOptions,
  ) {}

  /** One statement, a transaction of its own. */
  run(statement: Statement, values: unknown[]): Promise<Row[]> {
    return this.#bounded((client) => this.#query(client, statement, values));
  }

  /**
   * Several statements as one transaction; the rows of the last. READ COMMITTED whatever the application's
   * default is, so that each statement sees what was committed while the one before it waited.
   */
  transaction(steps: readonly (readonly [Statement, unknown[]])[]): Promise<Row[]> {
    return this.within(async (run) => {
      let rows: Row[] = [];
      for (const [statement, values] of steps) rows = await run(statement, values);
      return rows;
    });
  }

  /** As `transaction`, for statements that depend on the rows of those before them. `work` waits for nothing else. */
  within<T>(work: (run: Run) => Promise<T>): Promise<T> {
    return this.#bounded(async (client) => {
      await client.query('start transaction isolation level read committed');
      try {
        const result = await work((statement, values) => this.#query(client, statement, values));
        await client.query('commit');
        return result;
      } catch (error) {
        await client.query('rollback');
        throw error;
      }
    });
  }

  async #query(client: PoolClient, { name, text }: Statement, values: unknown[]): Promise<Row[]> {
    const prepared = this.options.preparedStatements ? { name } : {};
    const { rows } = await client.query<(string | null)[]>({
      ...prepared,
      text,
      values,
      rowMode: 'array',
      types: AS_TEXT,
    });
    return rows;
  }

  #bounded<T>(work: (client: PoolClient) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      let client: PoolClient | undefined;
      let release: Release | undefined;
      let over = false;
      const endWait = beginWait(poolOf(this.dataSource));
      const end = (destroy: Error | undefined, report: () => void) => {
        if (over) return;
        over = true;
        clearTimeout(timer);
        endWait();
        release?.(destroy);
        report();
      };
      const fail = (cause: Error) =>
        end(leavesSessionWell(cause) ? undefined : cause, () =>
          reject(
            cause instanceof UnavailableError
              ? cause
              : new UnavailableError('ERR_STORE_UNAVAILABLE', { cause: withRemedy(cause) }),
          ),
        );
      const timer = setTimeout(() => {
        if (client) requestCancel(client);
        fail(new Error(`No answer from PostgreSQL within ${this.options.queryTimeout} s`));
      }, this.options.queryTimeout * 1000);
      this.#connect()
        .then(async ([connected, releaseClient]) => {
          endWait();
          // pg-pool lets nobody leave its queue: who has given up is still served in turn, and gives back at once.
          if (over) return releaseClient();
          client = connected;
          release = releaseClient;
          const result = await work(client);
          end(undefined, () => resolve(result));
        })
        .catch(fail);
    });
  }

  async #connect(): Promise<[PoolClient, Release]> {
    const driver = primaryDriverOf(this.dataSource);
    hearErrorsOf(driver.master);
    return driver.obtainMasterConnection();
  }
}

/** The pool of the primary; undefined before the data source is initialised. */
export function poolOf(dataSource: DataSource): Pool | undefined {
  return primaryDriverOf(dataSource).master;
}

function primaryDriverOf({ driver }: DataSource): PrimaryDriver {
  return driver as unknown as PrimaryDriver;
}

function beginWait(pool: Pool | undefined): () => void {
  return pool ? waitsFor(pool).begin(pool) : () => {};
}

const heard = new WeakSet<object>();

/**
 * A connection that breaks while it is lent out tells its query, and then emits an error: unheard, that would
 * end the process. Asked at `acquire`, because a fresh connection may break before a promise of it is resolved.
 */
function hearErrorsOf(pool: Pool | undefined): void {
  if (!pool || heard.has(pool)) return;
  heard.add(pool);
  pool.on('acquire', (client) => {
    if (heard.has(client)) return;
    heard.add(client);
    client.on('error', () => {});
  });
}

/** True for an error the server answered with, and of the statement alone: not class 08, 57P shutdown, XX internal. */
function leavesSessionWell(error: Error): boolean {
  const { severity, code } = error as { severity?: unknown; code?: unknown };
  return severity === 'ERROR' && typeof code === 'string' && !/^(08|57P|XX)/.test(code);
}

/** 42P01 undefined table, 42703 undefined column: the one mistake that everybody makes once. */
function withRemedy(error: Error): Error {
  const { code } = error as { code?: unknown };
  if (code !== '42P01' && code !== '42703') return error;
  const migrations = error.message.includes('token_audit')
    ? 'tokenFamilyAuditMigrations'
    : 'tokenFamilyMigrations';
  return new Error(`${error.message}: add ${migrations} to the migrations of your data source, and run them`);
}

/** 40001, 40P01: a neighbour was faster; look again. */
export function isConflict(error: unknown): boolean {
  const cause =
    error instanceof UnavailableError ? (error.cause as { code?: unknown } | undefined) : undefined;
  return cause?.code === '40001' || cause?.code === '40P01';
}
