import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { createInterface } from 'node:readline';
import { watchdogProgram } from './watchdog.program.js';

/** Longer than the slowest initdb another process may be running under the lock; milliseconds. */
const LOCK_PATIENCE = 120_000;

interface WatchdogOptions {
  /** the directory that holds `cluster`; created when missing */
  directory: string;
  /** of `directory`, when created */
  mode: number;
  /** whether the last one to go deletes `directory` */
  temporary: boolean;
  /** the server's user, when that is not ours */
  uid: number | undefined;
}

/** This process's hold on a server: given up by `leave()`, or by the end of this process in any way. */
export interface Watchdog {
  /** Lets other processes go on. Called once, when the server runs or has failed to start. */
  unlock(): Promise<void>;
  /** Stops the server, whoever uses it, and gives the lease up; the watchdog stays until `leave()`. */
  stop(signal: 'SIGINT' | 'SIGQUIT'): Promise<void>;
  /** Gives the lease up; with the last one the server stops and a temporary directory goes. */
  leave(): Promise<void>;
}

/**
 * Starts a watchdog and waits until it holds the exclusive lock on the directory.
 *
 * It is a process of its own session, without our NODE_OPTIONS: neither a terminal's Ctrl-C nor a loader of ours
 * reaches it.
 *
 * @throws {Error} another process held the lock for two minutes, or the watchdog could not be started
 */
export async function openWatchdog(options: WatchdogOptions): Promise<Watchdog> {
  const { NODE_OPTIONS: _, ...env } = process.env;
  const child = spawn(
    process.execPath,
    ['--input-type=commonjs', '-e', watchdogProgram, JSON.stringify(options)],
    {
      cwd: tmpdir(),
      detached: true,
      env,
      stdio: ['pipe', 'pipe', 'ignore'],
    },
  );
  await once(child, 'spawn');
  const gone = once(child, 'exit');
  const replies = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  child.stdin.on('error', () => {});
  // A process with nothing else to do ends, and its watchdog with it.
  for (const pipe of [child.stdin, child.stdout] as unknown as Socket[]) pipe.unref();

  const ended = (): Error =>
    new Error(
      `The watchdog of ${options.directory} has ended; its server may still run. See watchdog.log there.`,
    );
  const reply = async (): Promise<void> => {
    child.ref();
    const { value, done } = await replies.next();
    child.unref();
    if (done) throw ended();
    if (value !== 'ok') throw new Error(`The watchdog of ${options.directory} failed: ${value}`);
  };
  const ask = (line: string): Promise<void> => {
    child.stdin.write(`${line}\n`);
    return reply();
  };

  let impatient = false;
  const impatience = setTimeout(() => (impatient = child.kill('SIGKILL')), LOCK_PATIENCE);
  await reply()
    .catch((error: unknown) => {
      throw impatient
        ? new Error(`Another process is still starting or stopping ${options.directory}.`)
        : error;
    })
    .finally(() => clearTimeout(impatience));
  return {
    unlock: () => ask('unlock'),
    stop: (signal) => ask(`stop ${signal}`),
    async leave() {
      child.ref();
      child.stdin.end();
      const [code] = (await gone) as [number | null];
      if (code !== 0) throw ended();
    },
  };
}
