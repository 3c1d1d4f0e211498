import { randomBytes } from 'node:crypto';
import { presenting, refreshRequest } from './refresh-request.js';

const VARIETY = 300;

/** Refreshes with what nobody issued, in three kinds: noise, a wrong tag in the right shape, and bodies of 8 KiB. */
export function garbage(): string[] {
  return Array.from({ length: VARIETY }, (_, n) => base64(KINDS[n % KINDS.length]!()));
}

const KINDS = [
  () => presenting(randomBytes(48).toString('hex')),
  () => presenting(wrongTag()),
  () => presenting('x'.repeat(8192 - presenting('').length)),
];

/** Key 1, and a generation that is no fault by itself: only the tag tells. */
function wrongTag(): string {
  const bytes = randomBytes(69);
  bytes[0] = 1;
  bytes[17]! &= 0x7f;
  return `rt1_${bytes.toString('base64url')}`;
}

/** Refreshes of one family, its current token and the one before it in turn. */
export function storm(tokens: readonly string[]): string[] {
  return tokens.map((token) => base64(presenting(token)));
}

function base64(body: string): string {
  return refreshRequest(body).toString('base64');
}
