import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** `up` goes to whom the connection was opened to, `down` comes back. */
export type Direction = 'up' | 'down';
const DIRECTIONS = ['up', 'down'] as const;

/** Turns what was received into what is to be sent on; may do something to the connection. */
export type Inspector = (link: Link) => (direction: Direction, chunk: Buffer) => Buffer[];

interface Switches {
  /** milliseconds, each way */
  delay: number;
  readonly held: Set<Direction>;
  readonly dropped: Set<Direction>;
  refusing: boolean;
  /** how many bytes still pass before connections are cut */
  readonly budget: Map<Direction, number>;
}

/** A TCP connection that lies between two others, and what can happen to it on the way. */
export class Proxy {
  /** bytes sent on so far */
  readonly passed = { up: 0, down: 0 };
  /** connections opened so far */
  opened = 0;
  readonly #links = new Set<Link>();
  readonly #switches: Switches = {
    delay: 0,
    held: new Set(),
    dropped: new Set(),
    refusing: false,
    budget: new Map(),
  };

  private constructor(
    readonly port: number,
    private readonly server: Server,
  ) {}

  static async listen(target: () => number, inspector?: Inspector): Promise<Proxy> {
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const proxy = new Proxy((server.address() as AddressInfo).port, server);
    server.on('connection', (socket) => proxy.#accept(socket, target(), inspector));
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  delay(milliseconds: number): void {
    this.#switches.delay = milliseconds;
  }

  /** What comes is kept back, until `release`. */
  hold(...directions: Direction[]): void {
    for (const direction of directions) this.#switches.held.add(direction);
  }

  release(): void {
    this.#switches.held.clear();
    for (const link of this.#links) link.flush();
  }

  /**
   * What comes is lost without a word, the end of a connection as well. A connection that has lost something stays lost:
   * TCP would have sent it again, or given up.
   */
  blackHole(...directions: Direction[]): void {
    for (const direction of directions.length > 0 ? directions : DIRECTIONS)
      this.#switches.dropped.add(direction);
  }

  /** New connections are reset. */
  refuse(): void {
    this.#switches.refusing = true;
  }

  /** Every open connection ends in a RST, on both sides. */
  reset(): void {
    for (const link of this.#links) link.reset();
  }

  /** After so many more bytes in one direction the connection they came on is reset. Once. */
  cutAfter(bytes: number, direction: Direction): void {
    this.#switches.budget.set(direction, bytes);
  }

  /** Every switch back; what was held goes on, what was lost stays lost. */
  heal(): void {
    this.#switches.delay = 0;
    this.#switches.refusing = false;
    this.#switches.dropped.clear();
    this.#switches.budget.clear();
    this.release();
    for (const link of this.#links) link.bury();
  }

  async close(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    for (const link of this.#links) link.reset();
    await closed;
  }

  #accept(client: Socket, port: number, inspector: Inspector | undefined): void {
    this.opened++;
    if (this.#switches.refusing) {
      client.on('error', () => {});
      client.resetAndDestroy();
      return;
    }
    const link: Link = new Link(client, port, this.#switches, {
      inspector,
      passed: this.passed,
      gone: () => this.#links.delete(link),
    });
    this.#links.add(link);
  }
}

interface Surroundings {
  readonly inspector: Inspector | undefined;
  readonly passed: Record<Direction, number>;
  readonly gone: () => void;
}

/** One connection through a proxy. */
export class Link {
  readonly #server: Socket;
  readonly #queue: Record<Direction, (Buffer | null)[]> = { up: [], down: [] };
  readonly #inspect: (direction: Direction, chunk: Buffer) => Buffer[];
  /** something was lost on it */
  #lost = false;

  constructor(
    private readonly client: Socket,
    port: number,
    private readonly switches: Switches,
    private readonly around: Surroundings,
  ) {
    this.#server = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    this.#inspect = around.inspector?.(this) ?? ((_, chunk) => [chunk]);
    this.#listen('up', client);
    this.#listen('down', this.#server);
  }

  reset(): void {
    for (const socket of [this.client, this.#server]) {
      // Node loses a socket that is reset while its FIN is under way, and then never exits.
      if (socket.writableEnded) socket.destroy();
      else if (!socket.destroyed) socket.resetAndDestroy();
    }
    this.around.gone();
  }

  flush(): void {
    for (const direction of DIRECTIONS) this.#drain(direction);
  }

  /** Tells the client, whatever the switches say; null ends what it is told. */
  say(piece: Buffer | null): void {
    this.#pass('down', piece);
  }

  /** Of two ends of which one has gone, the other one learns it now. */
  bury(): void {
    if (this.client.destroyed || this.#server.destroyed) this.reset();
  }

  #listen(direction: Direction, from: Socket): void {
    from.on('data', (chunk: Buffer) => {
      for (const piece of this.#inspect(direction, chunk)) this.#take(direction, piece);
    });
    from.on('end', () => this.#take(direction, null));
    from.on('error', () => {});
    from.on('close', (hadError) => {
      if (this.#lost || this.switches.dropped.size > 0) return;
      if (hadError || (this.client.destroyed && this.#server.destroyed)) this.reset();
    });
  }

  #take(direction: Direction, piece: Buffer | null): void {
    if (this.switches.dropped.has(direction)) this.#lost = true;
    if (this.#lost) return;
    this.#queue[direction].push(piece);
    if (this.switches.delay > 0) setTimeout(() => this.#drain(direction, 1), this.switches.delay);
    else this.#drain(direction);
  }

  #drain(direction: Direction, most = Infinity): void {
    const queue = this.#queue[direction];
    if (this.switches.held.has(direction)) return;
    for (const piece of queue.splice(0, Math.min(most, queue.length))) this.#pass(direction, piece);
  }

  #pass(direction: Direction, piece: Buffer | null): void {
    const to = direction === 'up' ? this.#server : this.client;
    if (to.destroyed) return;
    if (piece === null) return void to.end();
    const budget = this.switches.budget.get(direction) ?? Infinity;
    const allowed = piece.subarray(0, budget);
    this.around.passed[direction] += allowed.length;
    if (allowed.length === piece.length) {
      to.write(allowed);
      if (budget !== Infinity) this.switches.budget.set(direction, budget - allowed.length);
      return;
    }
    this.switches.budget.delete(direction);
    // Only what has been written before a RST arrives.
    to.write(allowed, () => setImmediate(() => this.reset()));
  }
}
