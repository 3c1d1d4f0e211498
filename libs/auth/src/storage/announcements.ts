import { isUuid } from '../core/uuid.js';

/** What a notification says. */
export type Announcement =
  | { readonly kind: 'revoked'; readonly sids: readonly string[] }
  | { readonly kind: 'many' }
  | { readonly kind: 'probe'; readonly nonce: string };

/** More than these are not named: reading them all at once is cheaper than to look each of them up. */
export const MAX_NAMED = 2000;
/** A payload is below 8,000 bytes. */
const NAMED_IN_ONE = 200;
const MANY = '*';
const PROBE = '?';

/** @returns payloads of notifications that tell of all of them */
export function announcing(sids: readonly string[]): string[] {
  if (sids.length > MAX_NAMED) return [MANY];
  const count = Math.ceil(sids.length / NAMED_IN_ONE);
  return Array.from({ length: count }, (_, page) =>
    sids.slice(page * NAMED_IN_ONE, (page + 1) * NAMED_IN_ONE).join(','),
  );
}

export function probing(nonce: string): string {
  return PROBE + nonce;
}

/** Any role that may connect can notify: what is no session id is passed over. */
export function readAnnouncement(payload: string): Announcement {
  if (payload === MANY) return { kind: 'many' };
  if (payload.startsWith(PROBE)) return { kind: 'probe', nonce: payload.slice(PROBE.length) };
  return { kind: 'revoked', sids: payload.split(',').filter(isUuid) };
}
