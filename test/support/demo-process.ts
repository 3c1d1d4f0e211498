import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';

/** One application of the demo as it is built and run: ESM, a process, an environment. */
export interface DemoProcess {
  readonly url: string;
  readonly output: () => string;
  /** SIGTERM, and until it is gone */
  stop(): Promise<void>;
  /** SIGKILL: whatever it was doing is left as it was */
  kill(): Promise<void>;
}

/** Given to all of them: a demo that makes its own leaves it in the working directory, where a developer's may run. */
const REVOCATIONS_SECRET = randomBytes(32).toString('base64');
const PROGRAMS = { node: 'dist/src/main.js', resource: 'dist/src/resource/main.js' };

export async function startDemo(
  environment: Record<string, string>,
  program: keyof typeof PROGRAMS = 'node',
): Promise<DemoProcess> {
  const child: ChildProcess = spawn(process.execPath, [PROGRAMS[program]], {
    // Tests ask more in a minute than a demo's users; that of the limits sets them.
    env: { PATH: process.env['PATH'], PORT: '0', REVOCATIONS_SECRET, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const url = await new Promise<string>((resolve, reject) => {
    const collect = (chunk: Buffer): void => {
      output += chunk.toString();
      const listening = /Listening on (http:\S+)/.exec(output)?.[1];
      if (listening) resolve(listening);
    };
    child.stdout!.on('data', collect);
    child.stderr!.on('data', collect);
    child.once('exit', () => reject(new Error(output)));
  });
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    await gone;
  };
  return { url, output: () => output, stop: () => end('SIGTERM'), kill: () => end('SIGKILL') };
}
