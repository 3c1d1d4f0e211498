import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Order, Told } from './oidc-provider.program.js';
import type { Login, Party } from './party.js';

/** A process of its own: the package is ESM alone, and has to be what its users run. */
export async function startOidcProvider(): Promise<Party> {
  const child = fork(join(__dirname, 'oidc-provider.program.ts'), {
    env: { PATH: process.env['PATH'] },
    execArgv: ['--import', 'tsx'],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let said = '';
  child.stderr!.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-4000)));
  const exited = once(child, 'exit');
  const logins = new Map<number, (login: Login) => void>();
  const port = await new Promise<number>((resolve, reject) => {
    child.on('message', (told: Told) => {
      if ('listening' in told) resolve(told.listening);
      else logins.get(told.number)?.(told.login);
    });
    child.once('exit', () => reject(new Error(`oidc-provider ended:\n${said}`)));
  });
  return {
    url: `http://127.0.0.1:${port}`,
    logIn: (clientId, state) =>
      new Promise((resolve) => {
        const number = logins.size;
        logins.set(number, resolve);
        child.send({ number, clientId, state } satisfies Order);
      }),
    // It looks at the order of things alone.
    passTime: () => Promise.resolve(),
    close: async () => {
      child.disconnect();
      await exited;
    },
  };
}
