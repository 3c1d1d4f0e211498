import type { Pause } from './pause.js';
import { later, platform } from './platform.js';
import type { Refresher } from './refresher.js';
import type { SessionState } from './session-state.js';

/** Refreshes ahead of expiry, while the page is visible and on line, and when it becomes so. */
export interface Schedule {
  /** Sets the timer by what is known now. */
  arm(): void;
  stop(): void;
}

/** Milliseconds after which a timer looks again: it may have slept, and the longest one a platform knows is 24 days. */
const LONGEST = 60_000;
/** Shown again, out of the cache of pages, back from sleep, back on line. */
const EVENTS = ['visibilitychange', 'pageshow', 'focus', 'online'];

export function createSchedule(state: SessionState, refresher: Refresher, pause: Pause): Schedule {
  let cancel = (): void => {};

  function arm(): void {
    cancel();
    const { token } = state;
    if (!token || !isActive()) return;
    const delay = Math.max(token.dueAt - token.age(), pause.remaining(), 0);
    cancel = later(look, Math.min(delay, LONGEST));
  }

  function look(event?: { readonly type: string }): void {
    if (event?.type === 'online') pause.cutShort();
    if (isActive()) refresher.refreshIfDue();
    arm();
  }

  const end = new AbortController();
  for (const name of EVENTS) platform.addEventListener?.(name, look, end);
  return {
    arm,
    stop() {
      cancel();
      end.abort();
    },
  };
}

/** Whether anybody is looking, and the network there; always, outside of pages. */
function isActive(): boolean {
  return platform.document?.visibilityState !== 'hidden' && platform.navigator?.onLine !== false;
}
