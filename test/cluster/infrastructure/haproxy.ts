import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { runProgram } from './programs.js';

/** A load balancer before several nodes. */
export interface Balancer {
  readonly url: string;
  /** `drain`: what is under way ends there, nothing new goes there */
  set(index: number, state: 'drain' | 'ready'): Promise<void>;
  /** of a node: requests it has at this moment */
  underWay(index: number): Promise<number>;
  /** how many requests it has sent a second time so far */
  sentAgain(): Promise<number>;
  close(): Promise<void>;
}

/** @param settings of the backend, a line each */
export async function startHaproxy(ports: readonly number[], settings: readonly string[]): Promise<Balancer> {
  const running = await runProgram({
    name: 'haproxy',
    configure: (port, directory) => `global
  stats socket ${join(directory, 'admin')} mode 600 level admin
defaults
  mode http
  timeout connect 2s
  timeout client 30s
  timeout server 10s
frontend front
  bind 127.0.0.1:${port}
  default_backend nodes
backend nodes
  balance roundrobin
${settings.map((line) => `  ${line}\n`).join('')}
${ports.map((node, index) => `  server node${index} 127.0.0.1:${node} check inter 100ms fall 2 rise 1\n`).join('')}`,
    arguments: (file) => ['-db', '-q', '-f', file],
  });
  const admin = join(running.directory, 'admin');
  return {
    url: `http://127.0.0.1:${running.port}`,
    set: async (index, state) => {
      await tell(admin, `set server nodes/node${index} state ${state}`);
    },
    underWay: async (index) => Number(await statistic(admin, `node${index}`, 'scur')),
    sentAgain: async () => Number(await statistic(admin, 'BACKEND', 'wretr')),
    close: () => running.close(),
  };
}

async function statistic(admin: string, server: string, name: string): Promise<string> {
  const rows = (await tell(admin, 'show stat')).split('\n').map((line) => line.split(','));
  return rows.find((row) => row[0] === 'nodes' && row[1] === server)![rows[0]!.indexOf(name)]!;
}

async function tell(socketPath: string, command: string): Promise<string> {
  const socket = connect(socketPath);
  socket.write(`${command}\n`);
  return text(socket);
}
