import { transformFile } from '@swc/core';
import { fork, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Memory, NodeEnvironment, NodeMessage, NodeOrder } from './node.program.js';

type NodeEvent = Extract<NodeMessage, { event: object }>['event'];

const SOURCE = join('test', 'cluster', 'node.program.ts');
const STOP_PATIENCE = 15_000;
let compiled: Promise<string> | undefined;

/** Plain JavaScript beside the build: a loader would take longer to start than the node itself. */
async function compile(): Promise<string> {
  const { code } = await transformFile(SOURCE, {
    module: { type: 'es6' },
    jsc: {
      target: 'es2023',
      parser: { syntax: 'typescript', decorators: true },
      transform: { legacyDecorator: true, decoratorMetadata: true },
    },
  });
  const directory = join('dist', 'test', 'cluster');
  await mkdir(directory, { recursive: true });
  const hash = createHash('sha256').update(code).digest('hex').slice(0, 16);
  const program = join(directory, `node-${hash}.js`);
  // Another run may be starting the same file at this moment.
  await writeFile(`${program}.${process.pid}`, code);
  await rename(`${program}.${process.pid}`, program);
  return program;
}

const running = new Set<ChildProcess>();
// A stopped process does not notice that we have gone.
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

/** A node as a process: what can be done to it, and what it has said. */
export class NodeProcess {
  private constructor(
    private readonly child: ChildProcess,
    readonly port: number,
    readonly exited: Promise<unknown[]>,
  ) {}

  /** @param told is called with every event of the node */
  static async start(environment: NodeEnvironment, told: (event: NodeEvent) => void): Promise<NodeProcess> {
    const child = fork(await (compiled ??= compile()), {
      env: { PATH: process.env['PATH'], CLUSTER_NODE: JSON.stringify(environment) },
      execArgv: [],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    running.add(child);
    const exited = once(child, 'exit').finally(() => running.delete(child));
    let said = '';
    child.stderr!.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-4000)));
    const port = await new Promise<number>((resolve, reject) => {
      child.on('message', (message: NodeMessage) => {
        if ('listening' in message) resolve(message.listening);
        else if ('event' in message) told(message.event);
      });
      child.once('exit', (code, signal) =>
        reject(new Error(`A node ended with ${code ?? signal}:\n${said}`)),
      );
    });
    return new NodeProcess(child, port, exited);
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** At once, whatever it is doing. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.exited;
  }

  /** As a deployment does: SIGTERM, and until it has gone. */
  async stop(): Promise<void> {
    this.child.kill('SIGTERM');
    const impatience = setTimeout(() => this.child.kill('SIGKILL'), STOP_PATIENCE);
    const [, signal] = await this.exited;
    clearTimeout(impatience);
    if (signal === 'SIGKILL') throw new Error(`A node did not stop within ${STOP_PATIENCE} ms of SIGTERM`);
  }

  pause(): void {
    this.child.kill('SIGSTOP');
  }

  resume(): void {
    this.child.kill('SIGCONT');
  }

  /** @param milliseconds its wall clock is ahead from now on */
  shiftClock(milliseconds: number): void {
    this.child.send({ clockShift: milliseconds } satisfies NodeOrder);
  }

  /** What it needs, without what is garbage. */
  memory(): Promise<Memory> {
    return new Promise((resolve) => {
      const take = (message: NodeMessage): void => {
        if (!('memory' in message)) return;
        this.child.off('message', take);
        resolve(message.memory);
      };
      this.child.on('message', take);
      this.child.send({ say: 'memory' } satisfies NodeOrder);
    });
  }
}
