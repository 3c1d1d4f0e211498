import { startStopwatch } from './stopwatch.js';

const FIRST = 250;
const LONGEST = 30_000;

/** How long to leave the server alone after it has failed. Durations in milliseconds. */
export interface Pause {
  /** Twice as long each time, up to half a minute, a random share of it: those who failed together must not return together. */
  extend(retryAfter?: number): void;
  /** The network is back. What the server demanded stays. */
  cutShort(): void;
  end(): void;
  /** until the next attempt; 0 when it may be made now */
  remaining(): number;
}

export function createPause(): Pause {
  let failures = 0;
  let elapsed = startStopwatch();
  let demanded: number | undefined;
  let length = 0;
  return {
    extend(retryAfter) {
      elapsed = startStopwatch();
      demanded = retryAfter;
      length = (demanded ?? 0) + Math.random() * Math.min(LONGEST, FIRST * 2 ** ++failures);
    },
    cutShort() {
      length = demanded ?? 0;
    },
    end() {
      failures = length = 0;
    },
    remaining: () => Math.max(0, length - elapsed()),
  };
}
