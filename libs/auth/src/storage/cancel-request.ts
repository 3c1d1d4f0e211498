import { connect } from 'node:net';
import type { PoolClient } from 'pg';

/** What a connected `pg` client knows, and its types do not all say. */
interface Session {
  readonly host: string;
  readonly port: number;
  readonly processID: number | null;
  readonly secretKey: number | null;
}

const CANCEL_REQUEST = 80_877_102;

/**
 * Asks the server to stop what a session is doing; best effort, nothing is waited for.
 *
 * A backend that waits for a lock does not notice that its client has gone. Without this, the time-outs during one
 * slow ALTER TABLE would leave one waiting backend after the other.
 *
 * @see PostgreSQL documentation, "Canceling Requests in Progress"
 */
export function requestCancel(client: PoolClient): void {
  const { host, port, processID, secretKey } = client as unknown as Session;
  if (!processID || typeof secretKey !== 'number') return;
  const message = Buffer.allocUnsafe(16);
  message.writeInt32BE(message.length, 0);
  message.writeInt32BE(CANCEL_REQUEST, 4);
  message.writeInt32BE(processID, 8);
  message.writeInt32BE(secretKey, 12);
  const socket = connect(host.startsWith('/') ? { path: `${host}/.s.PGSQL.${port}` } : { host, port });
  socket.on('error', () => {});
  socket.unref();
  socket.end(message);
}
