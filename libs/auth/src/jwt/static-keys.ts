import type { KeySource } from '../core/ports.js';

/** Keys given at start: there is never any news of them. */
export const STATIC_KEYS: KeySource = {
  refresh: async () => {},
  seek: async () => {},
};
