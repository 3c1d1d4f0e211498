import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

interface Kept {
  readonly status: number;
  readonly headers: [string, string][];
  readonly body: Buffer;
}

type ProxyMode = 'open' | 'cut' | 'caching' | 'holding';

/** What may stand between a resource server and its issuer, and how it misbehaves. */
export interface Proxy {
  readonly url: string;
  mode: ProxyMode;
  /** the paths it was asked for, in order */
  readonly asked: string[];
  close(): Promise<void>;
}

/** @param hold milliseconds for which `holding` holds an answer back */
export async function startProxy(target: string, hold = 0): Promise<Proxy> {
  const cache = new Map<string, Kept>();
  const server = createServer((request, response) => {
    void handle(request, response).catch(() => response.destroy());
  });
  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    self.asked.push(request.url!);
    if (self.mode === 'cut') return void response.destroy();
    const kept = self.mode === 'caching' ? cache.get(request.url!) : undefined;
    const answer = kept ?? (await forward(target, request));
    if (answer.status === 200) cache.set(request.url!, answer);
    if (self.mode === 'holding') await new Promise((resolve) => setTimeout(resolve, hold));
    response.writeHead(answer.status, answer.headers.flat());
    response.end(answer.body);
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const self: Proxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    mode: 'open',
    asked: [],
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return self;
}

async function forward(target: string, { url, headers }: IncomingMessage): Promise<Kept> {
  const passed = ['authorization', 'if-none-match'].flatMap((name) => {
    const value = headers[name];
    return typeof value === 'string' ? [[name, value] as [string, string]] : [];
  });
  const answer = await fetch(target + url, { headers: passed });
  const left = [...answer.headers].filter(
    ([name]) => !/^(?:connection|keep-alive|content-length)$/.test(name),
  );
  return { status: answer.status, headers: left, body: Buffer.from(await answer.arrayBuffer()) };
}
