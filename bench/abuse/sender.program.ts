import { Connection } from './refresh-request.js';

/** What is sent to a node: these requests in turn, so often, over so many keep-alive connections. */
export interface Onslaught {
  readonly port: number;
  /** base64, as they go over the wire */
  readonly requests: readonly string[];
  /** per second; 0: as fast as the connections are answered */
  readonly rate: number;
  readonly connections: number;
  readonly seconds: number;
}

export interface OnslaughtResult {
  readonly sent: number;
  /** seconds */
  readonly elapsed: number;
  readonly byStatus: Readonly<Record<number, number>>;
}

/** A process of its own, so that whoever is measured shares no event loop with it. */
process.on('message', (onslaught: Onslaught) => {
  void run(onslaught).then((result) => process.send!(result));
});
process.on('disconnect', () => process.exit());

async function run({ port, requests, rate, connections, seconds }: Onslaught): Promise<OnslaughtResult> {
  const bytes = requests.map((request) => Buffer.from(request, 'base64'));
  const open = Array.from({ length: connections }, () => new Connection(port));
  const byStatus: Record<number, number> = {};
  const begin = performance.now();
  const end = begin + seconds * 1000;
  let sent = 0;
  await Promise.all(
    open.map(async (connection) => {
      for (;;) {
        const dueAt = rate === 0 ? 0 : begin + (sent * 1000) / rate;
        const request = bytes[sent++ % bytes.length]!;
        if (Math.max(dueAt, performance.now()) >= end) break;
        await until(dueAt);
        const { status } = await connection.ask(request);
        byStatus[status] = (byStatus[status] ?? 0) + 1;
      }
      connection.close();
    }),
  );
  const answered = Object.values(byStatus).reduce((sum, count) => sum + count, 0);
  return { sent: answered, elapsed: (performance.now() - begin) / 1000, byStatus };
}

async function until(dueAt: number): Promise<void> {
  const wait = dueAt - performance.now();
  if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
}
