import { io } from 'socket.io-client';
import { WebSocket } from 'ws';
import type { SocketAdapter } from './socket-node.js';

/** A client of either kind of socket, with the messages it got and has not been asked for. */
export interface SocketClient {
  send(event: string, data?: unknown): void;
  /** the next message of that name */
  next(event: string): Promise<unknown>;
  /** of messages that are there already */
  has(event: string): boolean;
  /** `ws`: code and reason; socket.io: the reason it gives */
  readonly closed: Promise<string>;
  close(): void;
}

export interface Handshake {
  readonly authorization?: string;
  /** by the way a browser has: `auth.token` of socket.io, the subprotocol of a WebSocket */
  readonly browserToken?: string;
  readonly query?: string;
  readonly protocols?: string[];
}

class Inbox {
  readonly #waiting = new Map<string, unknown[]>();
  readonly #asked = new Map<string, ((data: unknown) => void)[]>();

  put(event: string, data: unknown): void {
    const asked = this.#asked.get(event)?.shift();
    if (asked) asked(data);
    else this.#waiting.set(event, [...(this.#waiting.get(event) ?? []), data]);
  }

  next(event: string): Promise<unknown> {
    if (this.has(event)) return Promise.resolve(this.#waiting.get(event)!.shift());
    return new Promise((resolve) => {
      this.#asked.set(event, [...(this.#asked.get(event) ?? []), resolve]);
    });
  }

  has(event: string): boolean {
    return (this.#waiting.get(event)?.length ?? 0) > 0;
  }
}

/** Connects, and is back as soon as the connection is open. */
export function connect(
  adapter: SocketAdapter,
  port: number,
  handshake: Handshake = {},
): Promise<SocketClient> {
  return adapter === 'ws' ? connectWebSocket(port, handshake) : connectIo(port, handshake);
}

function connectWebSocket(
  port: number,
  { authorization, browserToken, query = '', protocols = [] }: Handshake,
): Promise<SocketClient> {
  const inbox = new Inbox();
  const offered = browserToken === undefined ? protocols : ['bearer', browserToken];
  const socket = new WebSocket(`ws://127.0.0.1:${port}/?${query}`, offered, {
    headers: { ...(authorization !== undefined && { authorization }) },
  });
  socket.on('message', (text: Buffer) => {
    const { event, data } = JSON.parse(text.toString()) as { event: string; data: unknown };
    inbox.put(event, data);
  });
  const closed = new Promise<string>((resolve) => {
    socket.on('close', (code, reason) => resolve(`${code} ${reason.toString()}`));
  });
  const client: SocketClient = {
    send: (event, data) => socket.send(JSON.stringify({ event, data })),
    next: (event) => inbox.next(event),
    has: (event) => inbox.has(event),
    closed,
    close: () => socket.close(),
  };
  return new Promise((resolve, reject) => {
    socket.on('open', () => resolve(client));
    socket.on('error', reject);
  });
}

function connectIo(
  port: number,
  { authorization, browserToken, query = '' }: Handshake,
): Promise<SocketClient> {
  const inbox = new Inbox();
  const socket = io(`http://127.0.0.1:${port}`, {
    transports: ['websocket'],
    reconnection: false,
    forceNew: true,
    query: Object.fromEntries(new URLSearchParams(query)),
    ...(browserToken !== undefined && { auth: { token: browserToken } }),
    ...(authorization !== undefined && { extraHeaders: { authorization } }),
  });
  socket.onAny((event: string, data: unknown) => inbox.put(event, data));
  const closed = new Promise<string>((resolve) => {
    socket.on('disconnect', (reason) => resolve(reason));
  });
  const client: SocketClient = {
    send: (event, data) => void socket.emit(event, data),
    next: (event) => inbox.next(event),
    has: (event) => inbox.has(event),
    closed,
    close: () => void socket.close(),
  };
  return new Promise((resolve, reject) => {
    socket.on('connect', () => resolve(client));
    socket.on('connect_error', reject);
  });
}
