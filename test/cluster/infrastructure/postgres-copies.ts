import { randomBytes } from 'node:crypto';
import { chmod, chown, cp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { startEmbeddedPostgres } from '../../../src/database/embedded-postgres.js';
import {
  ownTemporaryFolder,
  postgresAccount,
  type PostgresAccount,
} from '../../../src/database/postgres-account.js';
import { findPostgresBinaries } from '../../../src/database/postgres-binaries.js';
import type { PostgresCluster } from '../../../src/database/postgres-cluster.js';
import { launch } from '../../../src/database/postgres-server.js';
import { openWatchdog } from '../../../src/database/watchdog.js';
import { migrate } from '../../support/migrate.js';

/** One of several real servers that began as the same bytes, so that each can stand by for another. */
export interface PostgresCopy {
  readonly port: number;
  query<Row extends object>(sql: string, parameters?: unknown[]): Promise<Row[]>;
  /** SIGKILL to the whole server, as when its machine loses power */
  kill(): Promise<void>;
  /** after `kill`, on the same port */
  restart(): Promise<void>;
  close(): Promise<void>;
}

/** A stopped server with our tables, and the copies made of it. */
export interface Seed {
  /** of a server at that port: every copy has the same user, password and database */
  urlOf(port: number): string;
  /** a server of its own; with `standbyOf`, a port, it follows the one there until it is promoted */
  start(options?: { standbyOf?: number; settings?: Readonly<Record<string, string>> }): Promise<PostgresCopy>;
  remove(): Promise<void>;
}

const SETTINGS = {
  fsync: 'off',
  shared_buffers: '16MB',
  wal_keep_size: '256MB',
  // The default is 5 s, for which a link that was cut and mended would stay unused.
  wal_retrieve_retry_interval: '50ms',
};

/**
 * Makes the seed: one initdb and one migration, whatever number of servers is copied from it.
 *
 * The embedded binaries have no pg_basebackup. A cold copy of a server that was stopped cleanly does as well: it is the
 * same system, at the same place of the same timeline.
 */
export async function makeSeed(): Promise<Seed> {
  const dataDirectory = join(tmpdir(), `token-family-seed-${process.pid}-${randomBytes(4).toString('hex')}`);
  const server = await startEmbeddedPostgres({ dataDirectory, temporary: true });
  await migrate(server.url);
  await server.stop('fast');
  const urlOf = (port: number): string => {
    const url = new URL(server.url);
    url.port = String(port);
    return url.href;
  };
  return {
    urlOf,
    start: ({ standbyOf, settings = {} } = {}) =>
      startCopy(server.dataDirectory, urlOf, standbyOf, { ...SETTINGS, ...settings }),
    remove: () => server.release(),
  };
}

async function startCopy(
  seed: string,
  urlOf: Seed['urlOf'],
  standbyOf: number | undefined,
  settings: Record<string, string>,
): Promise<PostgresCopy> {
  const account = await postgresAccount();
  const folder = account ? await ownTemporaryFolder() : tmpdir();
  const directory = join(folder, `copy-${process.pid}-${randomBytes(4).toString('hex')}`);
  const cluster: PostgresCluster = { directory, account, binaries: await findPostgresBinaries(account) };
  const mode = account ? 0o711 : 0o700;
  const watchdog = await openWatchdog({ directory, mode, temporary: true, uid: account?.uid });
  try {
    await chmod(directory, mode);
    await cp(join(seed, 'cluster'), join(directory, 'cluster'), { recursive: true });
    if (standbyOf !== undefined) await makeStandby(join(directory, 'cluster'), urlOf(standbyOf));
    if (account) await handOver(join(directory, 'cluster'), account);
    const password = await readFile(join(seed, 'password'), 'utf8');
    const port = await launch(cluster, password, undefined, settings);
    await watchdog.unlock();
    return {
      port,
      query: (sql, parameters = []) => onServer(urlOf(port), sql, parameters),
      kill: () => killServer(directory),
      restart: async () => void (await launch(cluster, password, port, settings)),
      close: async () => {
        // Nothing in it is worth the checkpoint of a shutdown.
        await killServer(directory);
        await watchdog.leave();
      },
    };
  } catch (error) {
    await watchdog.unlock();
    await watchdog.leave();
    throw error;
  }
}

async function makeStandby(cluster: string, primaryUrl: string): Promise<void> {
  const { hostname, port, username, password } = new URL(primaryUrl);
  const place = `host=${hostname} port=${port} user=${username} password=${password}`;
  await writeFile(join(cluster, 'standby.signal'), '');
  await writeFile(join(cluster, 'postgresql.auto.conf'), `primary_conninfo = '${place} sslmode=disable'\n`);
}

async function handOver(cluster: string, { uid, gid }: PostgresAccount): Promise<void> {
  await chown(cluster, uid, gid);
  for (const path of await readdir(cluster, { recursive: true })) await chown(join(cluster, path), uid, gid);
}

/** The postmaster alone is killed: its processes notice and go, without writing anything. */
async function killServer(directory: string): Promise<void> {
  const pidFile = join(directory, 'cluster', 'postmaster.pid');
  const pid = Number.parseInt(await readFile(pidFile, 'utf8').catch(() => ''), 10);
  if (Number.isNaN(pid)) return;
  process.kill(pid, 'SIGKILL');
  while (isAlive(pid)) await sleep(5);
  await rm(pidFile, { force: true });
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

async function onServer<Row extends object>(
  connectionString: string,
  sql: string,
  parameters: unknown[],
): Promise<Row[]> {
  const client = new Client({ connectionString });
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query<Row>(sql, parameters)).rows;
  } finally {
    await client.end();
  }
}

/** How far the standby is behind, waited out: whatever the primary has committed until now can be read there. */
export async function caughtUp(primary: PostgresCopy, standby: PostgresCopy): Promise<void> {
  const [at] = await primary.query<{ lsn: string }>('select pg_current_wal_flush_lsn()::text as lsn');
  const sql = 'select pg_last_wal_replay_lsn() >= $1::pg_lsn as there';
  while (!(await standby.query<{ there: boolean }>(sql, [at!.lsn]))[0]!.there) await sleep(5);
}

/** Makes a standby the primary, as whatever decides about failovers does. */
export async function promote(standby: PostgresCopy): Promise<void> {
  await standby.query('select pg_promote(true, 30)');
}
