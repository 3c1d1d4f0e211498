import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { access, constants, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { NotRun } from '../fault.js';
import { freePort } from '../../support/free-port.js';

/** A program of the machine's, which belongs to no npm package. */
export interface Running {
  readonly port: number;
  /** for whatever else it keeps: its folder, which goes with it */
  readonly directory: string;
  close(): Promise<void>;
}

interface Program {
  readonly name: 'pgbouncer' | 'haproxy';
  /** of its configuration, once its port is known */
  readonly configure: (port: number, directory: string) => string;
  /** how it is started on that file */
  readonly arguments: (file: string) => string[];
}

/** @throws {NotRun} it is not installed */
export async function runProgram({ name, configure, arguments: args }: Program): Promise<Running> {
  const program = await findProgram(name);
  const directory = await mkdtemp(join(tmpdir(), `token-family-${name}-`));
  const port = await freePort();
  const file = join(directory, `${name}.conf`);
  await writeFile(file, configure(port, directory), { mode: 0o600 });
  const child = spawn(program, args(file), { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-4000)));
  const close = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) {
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    }
    await rm(directory, { recursive: true, force: true });
  };
  try {
    await untilListening(child, port);
  } catch {
    await close();
    throw new Error(`${name} did not start:\n${said}`);
  }
  return { port, directory, close };
}

/** @throws {NotRun} not found; the message says how to get it */
async function findProgram(name: string): Promise<string> {
  for (const folder of [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']) {
    const program = join(folder, name);
    if (
      await access(program, constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return program;
  }
  throw new NotRun(`needs ${name} (apt-get install ${name})`);
}

async function untilListening(child: ChildProcess, port: number): Promise<void> {
  for (let attempt = 0; attempt < 200 && child.exitCode === null; attempt++) {
    if (await takesConnections(port)) return;
    await sleep(25);
  }
  throw new Error('It does not listen');
}

function takesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
