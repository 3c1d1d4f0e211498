/** What is used of a WebSocket of the package `ws`. */
interface WebSocketLike {
  readonly readyState: number;
  readonly protocol?: string;
  send(text: string): void;
  close(code: number, reason: string): void;
  once(event: 'close', listener: () => void): unknown;
}

/** What is used of a Socket of `socket.io`. */
interface IoSocketLike {
  readonly connected: boolean;
  emit(event: string, data: unknown): unknown;
  disconnect(close: boolean): unknown;
  readonly conn: { close(): unknown };
  once(event: 'disconnect', listener: () => void): unknown;
}

/** Neither package is one of ours, so it is told by what they have. */
type Socket = WebSocketLike | IoSocketLike;

const OPEN = 1;
/** Its messages are not ours to add to: a client that reads an unknown one hangs up. */
const GRAPHQL_WS = 'graphql-transport-ws';

/** @throws {TypeError} neither a WebSocket of `ws` nor a Socket of socket.io */
export function assertSocket(socket: object): asserts socket is Socket {
  if (isIoSocket(socket) || isWebSocket(socket)) return;
  throw new TypeError('SocketSessions takes a WebSocket of ws or a Socket of socket.io');
}

export function isOpen(socket: Socket): boolean {
  return isIoSocket(socket) ? socket.connected : socket.readyState === OPEN;
}

/** Sends a message in the form the adapters of Nest give to theirs; a socket that closes is sent nothing. */
export function tell(socket: Socket, event: string, data: object): void {
  if (!isOpen(socket)) return;
  if (isIoSocket(socket)) socket.emit(event, data);
  else if (socket.protocol !== GRAPHQL_WS) socket.send(JSON.stringify({ event, data }));
}

/**
 * Ends the connection, after what has been told; in socket.io every namespace of it, as they share the handshake.
 *
 * What a listener of the application throws comes through, and the connection ends nevertheless.
 *
 * @param code of RFC 6455 section 7.4
 * @param reason 123 bytes at most
 */
export function disconnect(socket: Socket, code: number, reason: string): void {
  if (isIoSocket(socket)) disconnectIo(socket);
  else socket.close(code, reason);
}

function disconnectIo(socket: IoSocketLike): void {
  try {
    socket.disconnect(true);
  } catch (error) {
    // It tells the listeners while it goes from namespace to namespace, and has not come to the connection itself.
    socket.conn.close();
    throw error;
  }
}

export function onceClosed(socket: Socket, listener: () => void): void {
  if (isIoSocket(socket)) socket.once('disconnect', listener);
  else socket.once('close', listener);
}

function isIoSocket(socket: object): socket is IoSocketLike {
  return typeof (socket as Partial<IoSocketLike>).disconnect === 'function';
}

function isWebSocket(socket: object): socket is WebSocketLike {
  const { readyState, send } = socket as Partial<WebSocketLike>;
  return typeof readyState === 'number' && typeof send === 'function';
}
