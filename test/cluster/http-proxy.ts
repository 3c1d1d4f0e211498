import { Proxy, type Direction, type Link } from './proxy.js';

/** What becomes of a request and its answer. Requests are never late: one read late is a replay, by definition. */
export type Fate =
  | { readonly kind: 'whole' }
  /** the node has answered, and nothing of it arrives */
  | { readonly kind: 'lost' }
  /**
   * Only the first bytes of the answer arrive. `end`: the connection ends in good order, and the answer says nowhere how
   * long it was to be, as of a balancer that lost its node: only the JSON tells that it is not whole.
   */
  | { readonly kind: 'cut'; readonly at: (length: number) => number; readonly by: 'reset' | 'end' }
  /** the answer arrives so many milliseconds later */
  | { readonly kind: 'late'; readonly by: number }
  /** answered 503 on the way, and no node hears of it; `retryAfter` in seconds */
  | { readonly kind: 'busy'; readonly retryAfter?: number };

export const WHOLE: Fate = { kind: 'whole' };

/**
 * A proxy that knows where requests and answers begin and end, and asks of each what is to become of it.
 *
 * @param fateOf is given method and path
 */
export function listenToRequests(target: () => number, fateOf: (request: string) => Fate): Promise<Proxy> {
  return Proxy.listen(target, (link) => {
    const exchanges = new Exchanges(link, fateOf);
    return (direction, chunk) => exchanges.inspect(direction, chunk);
  });
}

const NOTHING = Buffer.alloc(0);

/** What is said on one connection: one request, one answer, and the next one. */
class Exchanges {
  #fate = WHOLE;
  #answer = NOTHING;
  #broken = false;

  constructor(
    private readonly link: Link,
    private readonly fateOf: (request: string) => Fate,
  ) {}

  inspect(direction: Direction, chunk: Buffer): Buffer[] {
    return direction === 'up' ? this.#ask(chunk) : this.#reply(chunk);
  }

  #ask(chunk: Buffer): Buffer[] {
    const request = /^(?:GET|POST|DELETE) \S+(?= HTTP\/1\.1\r\n)/.exec(chunk.toString('latin1', 0, 200))?.[0];
    if (request !== undefined) {
      this.#fate = this.fateOf(request);
      this.#answer = NOTHING;
      if (this.#fate.kind === 'busy') this.link.say(busy(this.#fate.retryAfter));
    }
    return this.#fate.kind === 'busy' ? [] : [chunk];
  }

  #reply(chunk: Buffer): Buffer[] {
    this.#answer = Buffer.concat([this.#answer, chunk]);
    if (this.#broken || !isComplete(this.#answer)) return [];
    const answer = this.#answer;
    const fate = this.#fate;
    this.#answer = NOTHING;
    switch (fate.kind) {
      case 'lost':
        this.#breakOff(NOTHING, 'reset');
        return [];
      case 'cut':
        this.#cut(answer, fate);
        return [];
      case 'late':
        setTimeout(() => this.link.say(answer), fate.by).unref();
        return [];
      case 'whole':
      case 'busy':
        return [answer];
    }
  }

  #cut(answer: Buffer, { at, by }: Extract<Fate, { kind: 'cut' }>): void {
    const sent = by === 'reset' ? answer : withoutLength(answer);
    this.#breakOff(sent.subarray(0, at(sent.length)), by);
  }

  #breakOff(bytes: Buffer, by: 'reset' | 'end'): void {
    this.#broken = true;
    this.link.say(bytes);
    if (by === 'end') this.link.say(null);
    // Only what has been written before a RST arrives.
    else setImmediate(() => this.link.reset());
  }
}

const HEAD_END = '\r\n\r\n';

/** Every answer of a node says how long it is, or has no body. */
function isComplete(answer: Buffer): boolean {
  const head = answer.indexOf(HEAD_END);
  if (head < 0) return false;
  const length = /^content-length: (\d+)\r$/im.exec(answer.toString('latin1', 0, head + 2))?.[1] ?? 0;
  return answer.length >= head + HEAD_END.length + Number(length);
}

function withoutLength(answer: Buffer): Buffer {
  const head = answer.indexOf(HEAD_END);
  const lines = answer.toString('latin1', 0, head).split('\r\n');
  const kept = lines.filter((line) => !/^(?:content-length|connection|keep-alive):/i.test(line));
  return Buffer.concat([
    Buffer.from([...kept, 'Connection: close'].join('\r\n'), 'latin1'),
    answer.subarray(head),
  ]);
}

/** As a balancer says it that has no node left: with no word of ours, and a page where JSON is expected. */
function busy(retryAfter: number | undefined): Buffer {
  const page = '<h1>503 Service Unavailable</h1>';
  return Buffer.from(
    [
      'HTTP/1.1 503 Service Unavailable',
      'Content-Type: text/html',
      `Content-Length: ${page.length}`,
      ...(retryAfter === undefined ? [] : [`Retry-After: ${retryAfter}`]),
      '',
      page,
    ].join('\r\n'),
  );
}
