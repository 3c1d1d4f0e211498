import { Connection, presenting, refreshRequest } from './refresh-request.js';

const CONNECTIONS = 32;

/** Milliseconds, of one window. */
export interface Latency {
  readonly p50: number;
  readonly p99: number;
}

/**
 * Spends each of `tokens` once, so many a second whatever the answers take, and tells how long they took.
 *
 * Counted from when each was due: a node that is held up is not asked less often for it.
 */
export async function refreshAtRate(port: number, tokens: readonly string[], rate: number): Promise<Latency> {
  const idle = Array.from({ length: CONNECTIONS }, () => new Connection(port));
  const all = [...idle];
  const latencies: number[] = [];
  const begin = performance.now();
  await Promise.all(
    tokens.map(async (token, place) => {
      const dueAt = begin + (place * 1000) / rate;
      await new Promise((resolve) => setTimeout(resolve, dueAt - performance.now()));
      const connection = idle.pop() ?? opened(all, port);
      const { status, body } = await connection.ask(refreshRequest(presenting(token)));
      if (status !== 200) throw new Error(`A good refresh was answered ${status}: ${body}`);
      latencies.push(performance.now() - dueAt);
      idle.push(connection);
    }),
  );
  for (const connection of all) connection.close();
  const sorted = latencies.toSorted((left, right) => left - right);
  const at = (share: number) => sorted[Math.floor(share * (sorted.length - 1))]!;
  return { p50: at(0.5), p99: at(0.99) };
}

function opened(all: Connection[], port: number): Connection {
  const connection = new Connection(port);
  all.push(connection);
  return connection;
}
