import { dueIn } from './access-token.js';
import { isActive, watchActivity } from './activity.js';
import type { Pause } from './pause.js';
import { later } from './platform.js';
import type { Refresher } from './refresher.js';
import type { SessionState } from './session-state.js';

/** Milliseconds after which a timer looks again: it may have slept, and the longest one a platform knows is 24 days. */
const LONGEST = 60_000;

/** Refreshes ahead of expiry, while the page is visible and on line, and when it becomes so. */
export class Schedule {
  #cancel = (): void => {};
  readonly #stopWatching: () => void;

  constructor(
    private readonly state: SessionState,
    private readonly refresher: Refresher,
    private readonly pause: Pause,
  ) {
    this.#stopWatching = watchActivity((isBack) => {
      if (isBack) pause.cutShort();
      this.#look();
    });
  }

  /** Sets the timer by what is known now. */
  arm(): void {
    this.#cancel();
    const { token } = this.state;
    if (!token || !isActive()) return;
    const delay = Math.max(dueIn(token), this.pause.remaining, 0);
    this.#cancel = later(() => this.#look(), Math.min(delay, LONGEST));
  }

  stop(): void {
    this.#cancel();
    this.#stopWatching();
  }

  #look(): void {
    if (isActive()) this.refresher.refreshIfDue();
    this.arm();
  }
}
