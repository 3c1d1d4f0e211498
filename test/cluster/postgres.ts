import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../src/database/embedded-postgres.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { migrate } from '../support/migrate.js';

/** A PostgreSQL of one's own, to be crashed and brought back. */
export class OwnPostgres {
  readonly #servers: EmbeddedPostgres[] = [];

  private constructor(private readonly directory: string) {}

  static async start(): Promise<OwnPostgres> {
    const own = new OwnPostgres(await mkdtemp(join(tmpdir(), 'token-family-cluster-')));
    await own.start();
    return own;
  }

  get port(): number {
    return this.#servers[0]!.port;
  }

  /** Again on the same port; what was committed is there. */
  async start(): Promise<void> {
    const port = this.#servers[0]?.port;
    this.#servers.push(
      await startEmbeddedPostgres({
        dataDirectory: join(this.directory, 'data'),
        temporary: true,
        // A crash of the server costs nothing without fsync; only one of the machine would.
        settings: { fsync: 'off', max_connections: '100' },
        ...(port !== undefined && { port }),
      }),
    );
  }

  /** `immediate` is a crash: every backend ends where it is, and the next start recovers. */
  stop(mode: 'fast' | 'immediate'): Promise<void> {
    return this.#servers.at(-1)!.stop(mode);
  }

  /** With our tables. */
  async createDatabase(): Promise<TestDatabase> {
    const shared = process.env['TEST_SERVER_URL'];
    process.env['TEST_SERVER_URL'] = this.#servers[0]!.url;
    const creating = createDatabase({ empty: true });
    if (shared === undefined) delete process.env['TEST_SERVER_URL'];
    else process.env['TEST_SERVER_URL'] = shared;
    const database = await creating;
    await migrate(database.url);
    return database;
  }

  async release(): Promise<void> {
    for (const server of this.#servers) await server.release();
    await rm(this.directory, { recursive: true, force: true });
  }
}
