import { type ChildProcess, spawn } from 'node:child_process';
import { open, readFile, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, type DatabaseError } from 'pg';
import {
  cannotRun,
  databaseName,
  lastLines,
  type PostgresCluster,
  serverEnvironment,
} from './postgres-cluster.js';

type Answer = 'ready' | 'busy' | 'refused' | 'foreign';

/** Crash recovery included; milliseconds. */
const READY_PATIENCE = 120_000;

/**
 * Finds the server that runs on this cluster already, after waiting for one that is starting or stopping.
 *
 * To be called under the watchdog's lock. A postmaster.pid without a server behind it, left by a crash, is removed:
 * PostgreSQL itself would refuse to start if its pid belonged to any live process by now.
 *
 * @returns its port, or undefined when none runs
 */
export async function runningPort(
  { directory }: PostgresCluster,
  password: string,
): Promise<number | undefined> {
  const pidFile = join(directory, 'cluster', 'postmaster.pid');
  const patience = Date.now() + READY_PATIENCE;
  for (let refusals = 0; Date.now() < patience; await sleep(25)) {
    const lines = (await readFile(pidFile, 'utf8').catch(() => '')).split('\n');
    const port = Number(lines[3]);
    if (!lines[0]) return undefined;
    const answer = isAlive(Number(lines[0])) ? await ask(port, password) : 'foreign';
    if (answer === 'ready') return port;
    // Between its birth and its first listen, and again at its end, a live server refuses for an instant.
    if (answer === 'refused') refusals++;
    if (answer === 'foreign' || refusals > 40) {
      await rm(pidFile, { force: true });
      return undefined;
    }
  }
  throw new Error(`The server on ${directory} neither answers nor ends; see server.log there.`);
}

/**
 * Starts a server on the cluster and waits until its database takes connections.
 *
 * @param port 1 to 65535, or undefined for a free one
 * @returns the port
 * @throws {Error} it did not start; the message ends with the last lines of its log
 */
export async function launch(
  cluster: PostgresCluster,
  password: string,
  port: number | undefined,
  settings: Record<string, string>,
): Promise<number> {
  for (let attempt = 1; ; attempt++) {
    const chosen = port ?? (await freePort());
    const log = join(cluster.directory, 'server.log');
    const child = await spawnServer(cluster, chosen, settings, log);
    if (await untilReady(child, chosen, password)) return chosen;
    const said = lastLines(await readFile(log, 'utf8'));
    // Somebody took the free port first; or backends of a killed server have not noticed its end yet.
    const passing = (port === undefined && /Address already in use/i.test(said)) || /still in use/.test(said);
    if (!passing || attempt === 20) throw new Error(`PostgreSQL did not start on port ${chosen}:\n${said}`);
    await sleep(100);
  }
}

async function spawnServer(
  { binaries, account, directory }: PostgresCluster,
  port: number,
  settings: Record<string, string>,
  logFile: string,
): Promise<ChildProcess> {
  const all = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: '200',
    ...settings,
  };
  const flags = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const log = await open(logFile, 'w', 0o600);
  try {
    // Detached: a Ctrl-C in our terminal is not the server's business, other processes may be using it.
    const child = spawn(binaries.postgres, ['-D', join(directory, 'cluster'), '-p', String(port), ...flags], {
      ...account,
      cwd: directory,
      detached: true,
      env: serverEnvironment(),
      stdio: ['ignore', log.fd, log.fd],
    });
    await new Promise((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', (cause) => reject(cannotRun(binaries.postgres, cause)));
    });
    child.unref();
    return child;
  } finally {
    await log.close();
  }
}

async function untilReady(child: ChildProcess, port: number, password: string): Promise<boolean> {
  const patience = Date.now() + READY_PATIENCE;
  while (child.exitCode === null && child.signalCode === null) {
    const answer = await ask(port, password);
    if (answer === 'ready') return true;
    if (Date.now() > patience) break;
    await sleep(10);
  }
  return false;
}

/** Asks what listens on the port. Only the server of this cluster knows the password, so `ready` proves it is that one. */
async function ask(port: number, password: string, database = databaseName): Promise<Answer> {
  // Says `ssl` because PGSSLMODE would be taken otherwise.
  const client = new Client({
    host: '127.0.0.1',
    port,
    user: databaseName,
    password,
    database,
    ssl: false,
    connectionTimeoutMillis: 2_000,
  });
  client.on('error', () => {});
  try {
    await client.connect();
    if (database !== databaseName) await client.query(`CREATE DATABASE ${databaseName}`);
    await client.end();
    return 'ready';
  } catch (error) {
    const { code } = error as DatabaseError;
    if (code === 'ECONNREFUSED') return 'refused';
    // invalid_catalog_name: initdb makes only the database `postgres`, or a start was cut off here.
    if (code === '3D000') return ask(port, password, 'postgres');
    // invalid_password, invalid_authorization_specification
    if (code === '28P01' || code === '28000') return 'foreign';
    return 'busy';
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
