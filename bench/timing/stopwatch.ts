import { Agent, request } from 'node:http';
import { randomInt } from 'node:crypto';

/** What one request of a kind sends. */
export interface Question {
  readonly path: string;
  readonly body: string;
  /** microseconds by which the server is to answer late, on purpose */
  readonly leak?: number;
}

/** Requests that only a clock could tell apart: all of them get the same answer. */
export interface Kind {
  readonly name: string;
  ask(): Question;
}

/** One connection to one server, over which one request at a time is timed. */
export class Stopwatch {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });

  constructor(private readonly port: number) {}

  /**
   * Times `count` requests of each kind, in an order drawn anew for every round of one each: whatever the machine does
   * meanwhile, it does to all of them.
   *
   * @returns microseconds, by kind
   * @throws {Error} two kinds got different answers
   */
  async time(kinds: readonly Kind[], count: number): Promise<number[][]> {
    const times = kinds.map((): number[] => []);
    const answers = new Set<string>();
    for (let round = -Math.ceil(count / 10); round < count; round++) {
      for (const at of shuffled(kinds.length)) {
        const question = kinds[at]!.ask();
        const { microseconds, answer } = await this.#once(question);
        answers.add(answer);
        // The first tenth warms up.
        if (round >= 0) times[at]!.push(microseconds);
      }
    }
    if (answers.size > 1) throw new Error(`The answers differ: ${[...answers].join(' / ')}`);
    return times;
  }

  stop(): void {
    this.#agent.destroy();
  }

  #once({ path, body, leak = 0 }: Question): Promise<{ microseconds: number; answer: string }> {
    return new Promise((resolve, reject) => {
      const headers = {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
        'x-leak': String(leak).padStart(6, '0'),
      };
      const begin = process.hrtime.bigint();
      const sent = request(
        { port: this.port, agent: this.#agent, method: 'POST', path, headers },
        (response) => {
          let text = '';
          response.setEncoding('utf8');
          response.on('data', (chunk: string) => (text += chunk));
          response.on('end', () => {
            const microseconds = Number(process.hrtime.bigint() - begin) / 1000;
            resolve({ microseconds, answer: `${response.statusCode} ${text}` });
          });
        },
      );
      sent.on('error', reject);
      sent.end(body);
    });
  }
}

function shuffled(length: number): number[] {
  const order = Array.from({ length }, (_, at) => at);
  for (let at = length - 1; at > 0; at--) {
    const other = randomInt(at + 1);
    [order[at], order[other]] = [order[other]!, order[at]!];
  }
  return order;
}
