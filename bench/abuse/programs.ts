import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { NodeEnvironment, NodeMessage, NodeOrder } from './node.program.js';
import type { Onslaught, OnslaughtResult } from './sender.program.js';

function start(program: string, environment: Record<string, string> = {}): ChildProcess {
  const path = fileURLToPath(new URL(program, import.meta.url));
  return fork(path, { env: { ...process.env, ...environment }, execArgv: ['--import', 'tsx'] });
}

function answerOf<T>(child: ChildProcess, order?: NodeOrder | Onslaught): Promise<T> {
  return new Promise((resolve, reject) => {
    const fail = (code: number | null): void =>
      reject(new Error(`A process of the bench ended with ${String(code)}`));
    child.once('exit', fail);
    child.once('message', (answer: unknown) => {
      child.off('exit', fail);
      resolve(answer as T);
    });
    if (order !== undefined) child.send(order);
  });
}

/** A node of the system, in a process of its own. */
export class BenchNode {
  private constructor(
    private readonly child: ChildProcess,
    readonly port: number,
  ) {}

  static async start(environment: NodeEnvironment): Promise<BenchNode> {
    const child = start('node.program.ts', { BENCH_NODE: JSON.stringify(environment) });
    const { listening } = await answerOf<Extract<NodeMessage, { listening: number }>>(child);
    return new BenchNode(child, listening);
  }

  /** Refresh tokens of that many new families. */
  async issue(count: number): Promise<string[]> {
    return (await answerOf<Extract<NodeMessage, { tokens: string[] }>>(this.child, { issue: count })).tokens;
  }

  /** How many statements it has sent to the database so far. */
  async statements(): Promise<number> {
    return (await answerOf<Extract<NodeMessage, { statements: number }>>(this.child, 'statements'))
      .statements;
  }

  async stop(): Promise<void> {
    const gone = once(this.child, 'exit');
    this.child.kill();
    await gone;
  }
}

/** Whoever sends what nobody wants. */
export class Sender {
  readonly #child = start('sender.program.ts');

  send(onslaught: Onslaught): Promise<OnslaughtResult> {
    return answerOf<OnslaughtResult>(this.#child, onslaught);
  }

  stop(): void {
    this.#child.disconnect();
  }
}
