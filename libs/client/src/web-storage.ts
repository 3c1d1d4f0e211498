import { localStorage, type WebStorage } from './platform.js';
import type { TokenStorage } from './storage.js';

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
  const storage = (): WebStorage => {
    const found = localStorage();
    if (!found) throw new Error('There is no localStorage');
    return found;
  };
  return {
    get: () => storage().getItem(key),
    set: (value) => storage().setItem(key, value),
    remove: () => storage().removeItem(key),
  };
}
