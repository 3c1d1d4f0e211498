import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { startEmbeddedPostgres } from '../src/database/embedded-postgres.js';

export interface BenchServer {
  /** as in `18.4`, and whose it is */
  readonly about: string;
  /**
   * An empty database of its own, dropped by `close`.
   *
   * @param settings for every connection to it, over those of the server
   */
  createDatabase(name: string, settings?: Record<string, string>): Promise<string>;
  close(): Promise<void>;
}

/** The server DATABASE_URL names, or else an embedded one in a temporary directory, both with their own durability. */
export async function openServer(): Promise<BenchServer> {
  const given = process.env['DATABASE_URL'];
  const { url, release } = given ? { url: given, release: async () => {} } : await startTemporary();
  const client = new Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query<{ version: string; fsync: string; commit: string }>(
    `select current_setting('server_version') as version, current_setting('fsync') as fsync,
            current_setting('synchronous_commit') as commit`,
  );
  const { version, fsync, commit } = rows[0]!;
  const created: string[] = [];
  return {
    about: `PostgreSQL ${version} (${given ? 'DATABASE_URL' : 'embedded'}, fsync ${fsync}, synchronous_commit ${commit})`,
    createDatabase: async (label, settings = {}) => {
      const name = `token_family_bench_${process.pid}_${label}`;
      await client.query(`CREATE DATABASE "${name}"`);
      created.push(name);
      for (const [setting, value] of Object.entries(settings)) {
        await client.query(`ALTER DATABASE "${name}" SET ${setting} = ${client.escapeLiteral(value)}`);
      }
      const database = new URL(url);
      database.pathname = `/${name}`;
      return database.href;
    },
    close: async () => {
      for (const name of created) await client.query(`DROP DATABASE "${name}" WITH (FORCE)`);
      await client.end();
      await release();
    },
  };
}

async function startTemporary() {
  const dataDirectory = await mkdtemp(join(tmpdir(), 'token-family-bench-'));
  const { url, release } = await startEmbeddedPostgres({ dataDirectory, temporary: true });
  return {
    url,
    release: async () => {
      await release();
      // As root the server keeps its data elsewhere and leaves this one empty.
      await rm(dataDirectory, { recursive: true, force: true });
    },
  };
}
