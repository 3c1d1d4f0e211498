import { once } from 'node:events';
import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import type { Certificate } from './certificate.js';

/** Milliseconds until what should have come is missed; nothing is timed by it. */
const PATIENCE = 20_000;

/** A request that has come from the browser, and what it was answered. */
export interface Seen {
  readonly host: string;
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly status: number;
  /** of the answer */
  readonly body: string;
}

/** What the front itself answers, in place of the node. */
export interface Page {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  readonly body?: string;
}

/** An answer of the node that the browser does not have yet. */
export interface HeldAnswer {
  readonly status: number;
  release(): void;
  /** The connection ends instead: the browser never learns what it was. */
  lose(): void;
}

/** What the front answers in a node's place, or undefined: the node is asked. */
export type Intercept = (path: string, headers: IncomingMessage['headers']) => Page | undefined;

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

/**
 * TLS for every name, as a proxy before the nodes gives it; pages of its own for some; and the answers in its hands.
 *
 * The nodes are asked in turn.
 */
export class Front {
  /** of the application's own routes, those alone: in the order in which they were answered */
  readonly seen: Seen[] = [];
  /** asked before a node is; what it answers is seen, and held, like a node's answer */
  intercept: Intercept | undefined;
  /** whether connections are used again; a lost answer on one that was is asked for again by the browser itself */
  keepsAlive = false;
  #isHolding: (path: string) => boolean = () => false;
  #turn = 0;
  readonly #held: HeldAnswer[] = [];
  readonly #pages = new Map<string, Page>();
  readonly #waiting = new Set<() => void>();

  private constructor(
    private readonly nodePorts: readonly number[],
    private readonly secure: Server,
    private readonly plain: Server,
  ) {
    for (const server of [secure, plain])
      server.on('request', (incoming: IncomingMessage, response: ServerResponse) => {
        this.#answer(incoming, response).catch(() => response.destroy());
      });
  }

  static async listen(nodePorts: readonly number[], certificate: Certificate): Promise<Front> {
    const front = new Front(nodePorts, createSecureServer({ ...certificate }), createServer());
    for (const server of [front.secure, front.plain]) {
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
    }
    return front;
  }

  /** Where Chromium finds these names; all others lead nowhere. */
  rulesFor(names: readonly string[]): string[] {
    const portOf = (server: Server): number => (server.address() as AddressInfo).port;
    return [
      ...names.map((name) => `MAP ${name}:443 127.0.0.1:${portOf(this.secure)}`),
      ...names.map((name) => `MAP ${name}:80 127.0.0.1:${portOf(this.plain)}`),
      'MAP * ~NOTFOUND',
    ];
  }

  /** @param url without a query */
  serve(url: string, page: Page): void {
    this.#pages.set(url, page);
  }

  /** From now on no answer of a node goes on by itself, or none on `path`. */
  hold(path?: string): void {
    this.#isHolding = (asked) => path === undefined || asked === path;
  }

  /** Answers go on again, those to come; what is held stays held. */
  pass(): void {
    this.#isHolding = () => false;
  }

  /** The answers held since the last call, once there are so many. */
  async held(count: number): Promise<HeldAnswer[]> {
    await this.#until(() => this.#held.length >= count);
    return this.#held.splice(0);
  }

  /** Resolves when so many requests have come to a node, or so many to `path` there, since `forget`. */
  async saw(count: number, path?: string): Promise<Seen[]> {
    const matching = (): Seen[] => this.seen.filter((each) => path === undefined || each.path === path);
    await this.#until(() => matching().length >= count);
    return matching();
  }

  forget(): void {
    this.seen.length = 0;
  }

  close(): void {
    for (const server of [this.secure, this.plain]) {
      server.close();
      server.closeAllConnections();
    }
  }

  async #answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(incoming.url ?? '/', `https://${incoming.headers.host}`);
    const scheme = 'encrypted' in incoming.socket ? 'https' : 'http';
    const page = this.#pages.get(`${scheme}://${url.host}${url.pathname}`);
    response.shouldKeepAlive = this.keepsAlive;
    if (page || url.pathname === '/favicon.ico') {
      incoming.resume();
      const headers = { 'content-type': 'text/html; charset=utf-8', ...page?.headers };
      response.writeHead(page?.status ?? (page ? 200 : 404), headers).end(page?.body);
      return;
    }
    const { method = '', headers } = incoming;
    const own = this.intercept?.(url.pathname, headers);
    const answer = own ? ownAnswer(own, incoming) : await this.#ask(incoming);
    const { status, body } = answer;
    this.seen.push({ host: url.host, method, path: url.pathname, headers, status, body: body.toString() });
    const send = (): void => {
      const { connection: _, 'keep-alive': __, ...kept } = answer.headers;
      response.writeHead(answer.status, kept).end(answer.body);
    };
    if (!this.#isHolding(url.pathname)) send();
    else
      this.#held.push({
        status: answer.status,
        release: send,
        lose: () => response.socket?.destroy(),
      });
    for (const look of this.#waiting) look();
  }

  async #ask(incoming: IncomingMessage): Promise<Answer> {
    const { method, url, headers } = incoming;
    const asked = request({
      port: this.nodePorts[this.#turn++ % this.nodePorts.length],
      host: '127.0.0.1',
      method,
      path: url,
      headers,
      agent: false,
    });
    asked.end(await buffer(incoming));
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    return { status: answer.statusCode!, headers: answer.headers, body: await buffer(answer) };
  }

  #until(isSo: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error('It did not come')), PATIENCE);
      const look = (): void => {
        if (!isSo()) return;
        clearTimeout(late);
        this.#waiting.delete(look);
        resolve();
      };
      this.#waiting.add(look);
      look();
    });
  }
}

function ownAnswer({ status = 200, headers = {}, body = '' }: Page, incoming: IncomingMessage): Answer {
  incoming.resume();
  return { status, headers, body: Buffer.from(body) };
}
