import { platform } from './platform.js';

/** Whether anybody is looking, and the network there; always, outside of pages. */
export function isActive(): boolean {
  return platform.document?.visibilityState !== 'hidden' && platform.navigator?.onLine !== false;
}

/** Of a page: shown again, unfrozen, out of the cache of pages, back from sleep, back on line. */
const EVENTS = ['pageshow', 'focus', 'online', 'offline'];
const DOCUMENT_EVENTS = ['visibilitychange', 'resume'];

/**
 * Calls `listener` whenever what `isActive` says may have changed, with whether the network has come back.
 *
 * @returns ends it
 */
export function watchActivity(listener: (isBack: boolean) => void): () => void {
  const { document } = platform;
  if (!document || !platform.addEventListener) return () => {};
  const changed = (): void => listener(false);
  const isBack = (): void => listener(true);
  const on = (turn: 'addEventListener' | 'removeEventListener'): void => {
    for (const name of EVENTS) platform[turn]!(name, name === 'online' ? isBack : changed);
    for (const name of DOCUMENT_EVENTS) document[turn](name, changed);
  };
  on('addEventListener');
  return () => on('removeEventListener');
}
