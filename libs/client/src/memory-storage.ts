import type { TokenStorage } from './storage.js';

/** Keeps the refresh token in memory: it is gone with the page or the process. The default outside of pages. */
export function memoryStorage(): TokenStorage {
  let kept: string | null = null;
  return {
    isShared: false,
    get: () => kept,
    set: (value) => {
      kept = value;
    },
    remove: () => {
      kept = null;
    },
  };
}
