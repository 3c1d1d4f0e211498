import { platform } from './platform.js';
import type { TokenStorage } from './storage.js';

/** Keeps the refresh token in memory: it is gone with the page or the process. The default outside of pages. */
export function memoryStorage(): TokenStorage {
  let kept: string | null = null;
  return {
    isShared: false,
    get: () => kept,
    set: (value) => (kept = value),
    remove: () => (kept = null),
  };
}

/**
 * Keeps the refresh token in `localStorage`, where tabs share it and a reload finds it.
 *
 * **Every script of the origin can read it there**, one injected by an attacker included, and take it away to use it
 * elsewhere. Prefer the cookie carrier, which no script can read. Where the browser forbids storage, the session lives in
 * the tab's memory.
 *
 * @param key the name of the entry
 */
export function webStorage(key = 'token-family'): TokenStorage {
  // To look at it throws where a user has forbidden it.
  const storage = attempt(() => platform.localStorage);
  return {
    get: () => storage?.getItem(key),
    set: (value) => storage!.setItem(key, value),
    remove: () => storage!.removeItem(key),
  };
}

/** What `call` returns; undefined when it fails. */
export function attempt<T>(call: () => T): T | undefined {
  try {
    return call();
  } catch {
    return undefined;
  }
}
