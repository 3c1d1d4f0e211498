import { connect, type Socket } from 'node:net';

/** POST /auth/refresh as it goes over the wire, with a body of that text. */
export function refreshRequest(body: string): Buffer {
  const head = [
    'POST /auth/refresh HTTP/1.1',
    'Host: 127.0.0.1',
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
  ];
  return Buffer.from(`${head.join('\r\n')}\r\n\r\n${body}`);
}

/** The body that presents `token`. */
export function presenting(token: string): string {
  return JSON.stringify({ refresh_token: token });
}

/** Spends `token`. @returns its successor */
export async function refreshOnce(port: number, token: string): Promise<string> {
  const connection = new Connection(port);
  const { body } = await connection.ask(refreshRequest(presenting(token)));
  connection.close();
  return (JSON.parse(body) as { refresh_token: string }).refresh_token;
}

export interface WireAnswer {
  readonly status: number;
  readonly body: string;
}

/** One keep-alive connection, one request at a time: with a client of less weight, more is left of the machine. */
export class Connection {
  readonly #socket: Socket;
  #received = '';
  #resolve: ((answer: WireAnswer) => void) | null = null;
  #reject: ((error: Error) => void) | null = null;

  constructor(port: number) {
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true }).setEncoding('latin1');
    this.#socket.on('data', (chunk: string) => this.#take(chunk));
    this.#socket.on('error', (error) => this.#reject?.(error));
    this.#socket.on('close', () => this.#reject?.(new Error('The node closed a connection')));
  }

  ask(request: Buffer): Promise<WireAnswer> {
    return new Promise((resolve, reject) => {
      [this.#resolve, this.#reject] = [resolve, reject];
      this.#socket.write(request);
    });
  }

  close(): void {
    this.#reject = null;
    this.#socket.destroy();
  }

  #take(chunk: string): void {
    this.#received += chunk;
    const end = this.#received.indexOf('\r\n\r\n');
    if (end === -1) return;
    const head = this.#received.slice(0, end);
    const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
    if (this.#received.length < end + 4 + length) return;
    const answer = {
      status: Number(head.slice(9, 12)),
      body: this.#received.slice(end + 4, end + 4 + length),
    };
    this.#received = '';
    this.#resolve?.(answer);
  }
}
