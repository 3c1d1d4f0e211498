import { Client } from 'pg';
import { runProgram } from './programs.js';

export interface Pooler {
  readonly port: number;
  /** the application names of those that are connected to it */
  clients(): Promise<string[]>;
  close(): Promise<void>;
}

/**
 * PgBouncer before the server of `databaseUrl`, in transaction mode.
 *
 * @param poolSize connections to the server, for all clients together
 */
export async function startPgBouncer(databaseUrl: string, poolSize: number): Promise<Pooler> {
  const { hostname, port, username, password } = new URL(databaseUrl);
  // As root it refuses to run, unless it is told who to be.
  const account = process.geteuid?.() === 0 ? 'user = nobody\n' : '';
  const running = await runProgram({
    name: 'pgbouncer',
    configure: (ownPort) => `[databases]
* = host=${hostname} port=${port} user=${decodeURIComponent(username)} password=${decodeURIComponent(password)}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${ownPort}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = ${poolSize}
max_client_conn = 200
admin_users = ${decodeURIComponent(username)}
${account}`,
    arguments: (file) => ['-q', file],
  });
  const console = new URL(databaseUrl);
  console.port = String(running.port);
  console.pathname = '/pgbouncer';
  return {
    port: running.port,
    clients: async () => {
      const client = new Client({ connectionString: console.href });
      await client.connect();
      const { rows } = await client.query<{ application_name: string }>('show clients');
      await client.end();
      return rows.map((row) => row.application_name);
    },
    close: () => running.close(),
  };
}
