import { createHash } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Answer = (response: ServerResponse, request: IncomingMessage) => void;

/** The feed of an issuer of the tests' own: what it tells, and how it misbehaves. */
export interface FakeFeed {
  readonly uri: string;
  readonly id: string;
  readonly secret: string;
  /** what it tells, on one page; to set them takes all other pages away */
  sids: string[];
  /** what it tells, page by page; each begins half a millisecond after the one before it */
  pages: string[][];
  /** milliseconds since the epoch on the clock of its database */
  asOf: () => number;
  /** milliseconds it says its knowledge is old */
  age: number;
  /** a good answer; replace it to misbehave, and give it back to behave again */
  answer: Answer;
  readonly good: Answer;
  /** what it was asked, in order */
  readonly asked: { readonly since: string | null; readonly headers: IncomingHttpHeaders; status: number }[];
  close(): Promise<void>;
}

export async function startFeed(): Promise<FakeFeed> {
  const server = createServer((request, response) => {
    const url = new URL(request.url!, 'http://feed.test');
    const entry = { since: url.searchParams.get('since'), headers: request.headers, status: 0 };
    self.asked.push(entry);
    response.on('close', () => (entry.status = response.statusCode));
    self.answer(response, request);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  /** where the pages begin that follow the first one, by what they are asked with */
  const begun = new Map<string, number>();
  const good: Answer = (response, request) => {
    const since = new URL(request.url!, 'http://feed.test').searchParams.get('since') ?? '0';
    const page = begun.get(since) ?? 0;
    const isLast = page >= self.pages.length - 1;
    const next = Number(since) + 0.5;
    if (!isLast) begun.set(String(next), page + 1);
    const body = JSON.stringify({ sids: self.pages[page] ?? [], ...(!isLast && { next }) });
    const etag = `"${createHash('sha256').update(since).update(body).digest('hex')}"`;
    response.setHeader('ETag', etag);
    response.setHeader('Revocations-Since', since);
    response.setHeader('Revocations-As-Of', self.asOf());
    response.setHeader('Revocations-Age', self.age);
    if (request.headers['if-none-match'] === etag) response.writeHead(304).end();
    else response.end(body);
  };
  const self: FakeFeed = {
    uri: `http://127.0.0.1:${(server.address() as AddressInfo).port}/auth/revocations`,
    id: 'reports',
    secret: 'a-secret-of-forty-characters+or/a-few==',
    pages: [[]],
    get sids() {
      return self.pages.flat();
    },
    set sids(sids) {
      self.pages = [sids];
    },
    asOf: () => Date.now(),
    age: 0,
    answer: good,
    good,
    asked: [],
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return self;
}
