import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';

/** A program bundled with the client, as a command-line tool is: it starts in no time, and many can run at once. */
export interface Program {
  start(order: unknown, uid?: number): Run;
  remove(): Promise<void>;
}

/** @param source in this directory; it is given its order as JSON, and says what it has to say over IPC */
export async function bundle(source: string): Promise<Program> {
  const directory = await mkdtemp(join(tmpdir(), 'program-'));
  // Whoever it is run as must get at it.
  await chmod(directory, 0o755);
  const outfile = join(directory, 'program.mjs');
  await build({
    entryPoints: [join(__dirname, source)],
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    outfile,
  });
  return {
    start: (order, uid) =>
      new Run(
        spawn(process.execPath, [outfile, JSON.stringify(order)], {
          cwd: directory,
          env: { PATH: process.env['PATH'] },
          stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
          ...(uid !== undefined && { uid, gid: uid }),
        }),
      ),
    remove: () => rm(directory, { recursive: true }),
  };
}

/** One process of a program. */
export class Run {
  readonly said: unknown[] = [];
  readonly #gone: Promise<unknown>;
  #errors = '';

  constructor(private readonly child: ChildProcess) {
    this.#gone = once(child, 'close');
    child.on('message', (message) => this.said.push(message));
    child.stderr!.on('data', (chunk: Buffer) => (this.#errors += chunk.toString()));
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** What it says first. */
  async began(): Promise<unknown> {
    if (this.said.length === 0) await Promise.race([once(this.child, 'message'), this.#gone]);
    if (this.said.length === 0) throw new Error(`It has said nothing: ${this.#errors}`);
    return this.said[0];
  }

  /** Until it has ended by itself, in good order. @returns what it said */
  async ended(): Promise<unknown[]> {
    await this.#gone;
    if (this.child.exitCode !== 0) throw new Error(`It ended with ${this.child.exitCode}: ${this.#errors}`);
    return this.said;
  }

  /** SIGKILL: what it was doing is left as it was. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.#gone;
  }

  send(message: object): void {
    this.child.send(message);
  }
}
