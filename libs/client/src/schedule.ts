import type { Pause } from './pause.js';
import { later, platform, type PageEvent } from './platform.js';
import type { Refresher } from './refresher.js';
import type { SessionState } from './session-state.js';

/** Milliseconds after which a timer looks again: it may have slept, and the longest one a platform knows is 24 days. */
const LONGEST = 60_000;
/** Shown again, out of the cache of pages, back from sleep, back on line. */
const EVENTS = ['visibilitychange', 'pageshow', 'focus', 'online'];

/** Refreshes ahead of expiry, while the page is visible and on line, and when it becomes so. */
export interface Schedule {
  /** Sets the timer by what is known now. */
  arm(): void;
  stop(): void;
}

export function createSchedule(state: SessionState, refresher: Refresher, pause: Pause): Schedule {
  let cancel: (() => void) | undefined;
  const end = new AbortController();

  function arm(): void {
    cancel?.();
    if (!state.token) return;
    const delay = Math.max(state.token.dueAt - state.token.age(), pause.remaining());
    // What is overdue is under way, or waits for one of the events, or for somebody who needs it.
    cancel = later(look, delay > 0 ? Math.min(delay, LONGEST) : LONGEST);
  }

  function look(event?: PageEvent): void {
    const { document, navigator } = platform;
    if (event?.type === 'online') pause.cutShort();
    // In the cache of pages it has heard nothing of the others: whether the session lives is for the server to say.
    if (event?.persisted) state.refused = state.token?.value;
    // Outside of pages somebody is always looking.
    if (document?.visibilityState !== 'hidden' && navigator?.onLine !== false) refresher.refreshIfDue();
    arm();
  }

  for (const name of EVENTS) platform.addEventListener?.(name, look, end);
  return {
    arm,
    stop() {
      cancel?.();
      end.abort();
    },
  };
}
