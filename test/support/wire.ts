import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** Asks again until it holds, or so many milliseconds have passed. */
export async function soon(holds: () => boolean | Promise<boolean>, within = 10_000): Promise<boolean> {
  for (const end = Date.now() + within; Date.now() < end; await sleep(10)) if (await holds()) return true;
  return false;
}

const NOTIFICATION_RESPONSE = 'A';
/** NoticeResponse without a field: nobody minds. */
const NOTICE = Buffer.from('N\0\0\0\x05\0', 'latin1');

/** The way to a PostgreSQL server, on which things get lost. */
export class Wire {
  /** notifications are lost, and nothing else: so does a pooler in transaction mode */
  isDeaf = false;
  /** nothing passes any more, in either direction, and nobody is told */
  isBlackHole = false;
  /** new connections are closed at once */
  isRefusing = false;
  /** connections opened so far */
  opened = 0;
  /** notifications lost so far */
  lost = 0;
  readonly #sockets = new Set<Socket>();
  readonly #clients = new Set<Socket>();

  private constructor(
    /** the database's address by this way */
    readonly url: string,
    private readonly closeServer: () => Promise<void>,
  ) {}

  static async to(url: string): Promise<Wire> {
    const server = createServer({ noDelay: true, allowHalfOpen: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const [target, way] = [new URL(url), new URL(url)];
    way.hostname = '127.0.0.1';
    way.port = String((server.address() as AddressInfo).port);
    const wire = new Wire(way.href, async () => {
      server.close();
      await once(server, 'close');
    });
    server.on('connection', (client) => wire.#link(client, target));
    return wire;
  }

  /** open connections that came by this way */
  get clients(): number {
    return this.#clients.size;
  }

  /** Things pass again; who has gone without being able to say so is found out in a while. @returns who is there */
  heal(): number {
    this.isBlackHole = false;
    for (const client of this.#clients) client.write(NOTICE);
    return this.#clients.size;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await this.closeServer();
  }

  #link(client: Socket, { hostname, port }: URL): void {
    this.opened++;
    if (this.isRefusing) return void client.destroy();
    this.#clients.add(client);
    client.on('close', () => this.#clients.delete(client));
    const server = connect({ port: Number(port), host: hostname, noDelay: true, allowHalfOpen: true });
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(from);
      from.on('error', () => {});
      from.on('end', () => void (this.isBlackHole || to.end()));
      from.on('close', () => {
        this.#sockets.delete(from);
        if (!this.isBlackHole) to.destroy();
      });
    }
    client.on('data', (chunk) => void (this.isBlackHole || server.write(chunk)));
    let rest = Buffer.alloc(0);
    server.on('data', (chunk) => {
      rest = Buffer.concat([rest, chunk]);
      // A message is a letter, its length as four bytes, themselves included, and so much less of content.
      while (rest.length >= 5 && rest.length > rest.readUInt32BE(1)) {
        const message = rest.subarray(0, rest.readUInt32BE(1) + 1);
        rest = rest.subarray(message.length);
        const isLost = this.isDeaf && message.toString('latin1', 0, 1) === NOTIFICATION_RESPONSE;
        if (isLost) this.lost++;
        else if (!this.isBlackHole) client.write(message);
      }
    });
  }
}
