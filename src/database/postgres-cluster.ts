import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chown, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { PostgresAccount } from './postgres-account.js';
import { databaseUrlRemedy, type PostgresBinaries } from './postgres-binaries.js';

/** Everything about a data directory that does not change while it exists. */
export interface PostgresCluster {
  /** holds `cluster`, `password`, `server.log` and the watchdogs' files */
  directory: string;
  binaries: PostgresBinaries;
  account: PostgresAccount | undefined;
}

/** The superuser and the database of every embedded server. */
export const databaseName = 'token_family';

/**
 * Makes sure that the directory holds a cluster: UTF-8, locale C, scram-sha-256 with a random password.
 *
 * To be called under the watchdog's lock. The cluster is made beside its place and renamed into it, so an
 * initdb that was killed half-way leaves nothing that could be taken for one.
 *
 * @returns the superuser's password, as kept in the directory for its owner alone
 * @throws {Error} initdb failed; the message ends with what it said
 */
export async function ensureCluster({ directory, binaries, account }: PostgresCluster): Promise<string> {
  const place = join(directory, 'cluster');
  const passwordFile = join(directory, 'password');
  if (await stat(place).catch(() => undefined)) return readFile(passwordFile, 'utf8');

  const leftovers = (await readdir(directory)).filter((name) => name.startsWith('initdb-'));
  for (const name of leftovers)
    await rm(join(directory, name), { recursive: true, force: true, maxRetries: 10 });

  const draft = await mkdtemp(join(directory, 'initdb-'));
  const password = randomBytes(24).toString('base64url');
  await rm(passwordFile, { force: true });
  await writeFile(passwordFile, password, { mode: 0o600 });
  // initdb reads it under the server's account, for which ours is closed.
  await writeFile(join(draft, 'password'), password, { mode: 0o600 });
  if (account) {
    await chown(join(draft, 'password'), account.uid, account.gid);
    await chown(draft, account.uid, account.gid);
  }
  await runInitdb(binaries, account, draft);
  await rename(join(draft, 'cluster'), place);
  await rm(draft, { recursive: true });
  return password;
}

async function runInitdb(
  { initdb }: PostgresBinaries,
  account: PostgresAccount | undefined,
  draft: string,
): Promise<void> {
  const args = [`--pgdata=${join(draft, 'cluster')}`, `--pwfile=${join(draft, 'password')}`]
    .concat([`--username=${databaseName}`, '--auth=scram-sha-256', '--encoding=UTF8', '--locale=C'])
    .concat(['--no-sync', '--no-instructions']);
  const child = spawn(initdb, args, { ...account, cwd: draft, env: serverEnvironment(), stdio: 'pipe' });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  }
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', (cause) => reject(cannotRun(initdb, cause)));
    child.once('close', resolve);
  });
  if (code !== 0) throw new Error(`initdb ended with ${code}:\n${lastLines(output)}\n${databaseUrlRemedy}`);
}

/** Our environment without PG… variables, which would change what the server's programs do. */
export function serverEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('PG') && !name.startsWith('LC_'),
  );
  return { ...Object.fromEntries(kept), LC_ALL: 'C' };
}

/** Says that a program of PostgreSQL could not even be started, as on a system with another C library. */
export function cannotRun(program: string, cause: Error): Error {
  return new Error(`${program} does not run on this system (${cause.message}). ${databaseUrlRemedy}`, {
    cause,
  });
}

/** The end of a program's output, which is where PostgreSQL says why it gave up. */
export function lastLines(output: string): string {
  return output.trimEnd().split('\n').slice(-12).join('\n');
}
