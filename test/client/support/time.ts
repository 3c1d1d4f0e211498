import { setImmediate as turn } from 'node:timers/promises';

const NOON = Date.UTC(2026, 0, 1, 12);

/** What runs outside of this clock, in the platform's own threads: cryptography and messages. */
let busy = 0;

/** Lets `settle` wait for `work`. */
export async function awaited<T>(work: Promise<T>): Promise<T> {
  busy++;
  try {
    return await work;
  } finally {
    busy--;
  }
}

/** Waits until nothing is left to do but what waits for time to pass. */
export async function settle(): Promise<void> {
  for (let quiet = 0; quiet < 4; quiet = busy > 0 ? 0 : quiet + 1) await turn();
}

const CRYPTOGRAPHY = ['encrypt', 'decrypt', 'generateKey'] as const;

/** The clocks of one device, and the time that really passes, which is the server's. All in seconds. */
export class Time {
  #asleep = 0;
  /** how many timers have fired: an idle client sets few */
  fired = 0;
  /** those of AbortSignal.timeout, which nobody can stop */
  #endless = 0;
  readonly #spies: jest.SpyInstance[];

  constructor() {
    jest.useFakeTimers({
      doNotFake: ['setImmediate', 'clearImmediate', 'nextTick', 'queueMicrotask'],
      now: NOON,
    });
    const fake = globalThis.setTimeout;
    const asInNode = (task: () => void, delay: number) => fake(task, Math.max(1, Math.trunc(delay)));
    globalThis.setTimeout = asInNode as typeof fake;
    // The platform's own would count real seconds.
    const timeout = jest.spyOn(AbortSignal, 'timeout').mockImplementation((milliseconds) => {
      const over = new AbortController();
      this.#endless++;
      setTimeout(() => {
        this.#endless--;
        over.abort(new DOMException('The time is over', 'TimeoutError'));
      }, milliseconds);
      return over.signal;
    });
    this.#spies = [timeout, ...CRYPTOGRAPHY.map(letAwait)];
  }

  /** Timers that somebody has set and could have stopped. */
  get timers(): number {
    return jest.getTimerCount() - this.#endless;
  }

  /** Seconds since the beginning, whatever the device's clocks say. */
  get now(): number {
    return performance.now() / 1000 + this.#asleep;
  }

  /** The server's clock: milliseconds since the epoch. */
  readonly ofServer = (): number => NOON + this.now * 1000;

  async pass(seconds: number): Promise<void> {
    const clock = { isOver: false };
    setTimeout(() => (clock.isOver = true), seconds * 1000);
    await settle();
    while (!clock.isOver) {
      jest.advanceTimersToNextTimer();
      this.fired++;
      await settle();
    }
    jest.advanceTimersByTime(0);
    await settle();
  }

  /** Time passes, a little at a time, until something has come about; for `limit` seconds at most. */
  async until(condition: () => boolean, limit = 400): Promise<void> {
    const end = this.now + limit;
    await settle();
    while (!condition()) {
      if (this.now >= end) throw new Error(`Not within ${limit} s`);
      await this.pass(0.05);
    }
  }

  /** The lid is shut: the monotonic clock and the timers stand still, the wall clock goes on. */
  sleep(seconds: number): void {
    this.#asleep += seconds;
    this.setWall(seconds);
  }

  /** The wall clock is set, and nothing else happens. */
  setWall(by: number): void {
    jest.setSystemTime(Date.now() + by * 1000);
  }

  stop(): void {
    for (const spy of this.#spies) spy.mockRestore();
    jest.useRealTimers();
  }
}

function letAwait(name: (typeof CRYPTOGRAPHY)[number]): jest.SpyInstance {
  const subtle = crypto.subtle as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
  const original = subtle[name]!.bind(subtle);
  return jest.spyOn(subtle, name).mockImplementation((...args) => awaited(original(...args)));
}
