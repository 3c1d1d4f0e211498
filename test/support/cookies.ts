import { send, type Answer } from './http.js';
import type { Fixture } from './on-both-adapters.js';

export const COOKIE = '__Host-refresh_token';
export const CARRIER = { 'x-token-carrier': 'cookie' };
/** The Set-Cookie that takes it away: a browser ignores one of that name that lacks an attribute. */
export const CLEARED = `${COOKIE}=; Max-Age=0; Path=/; HttpOnly; Secure; SameSite=Strict`;
export const RENEWED =
  /^__Host-refresh_token=rt1_[\w-]{92}\.[\w-]{22}; Max-Age=\d+; Path=\/; HttpOnly; Secure; SameSite=Strict$/;

/** The value a browser would keep, from the Set-Cookie header. */
export function cookieOf(answer: Answer): string {
  return answer.headers
    .get('set-cookie')!
    .split(';')[0]!
    .slice(COOKIE.length + 1);
}

export function withCookie(value: string): Record<string, string> {
  return { ...CARRIER, cookie: `theme=dark; ${COOKIE}=${value}` };
}

/** What was refused took neither the cookie nor the token in it, which still rotates. */
export async function expectUnspent(
  { node }: Fixture,
  { refreshToken, sid }: { refreshToken: string; sid: string },
  refused?: { headers: { get(name: string): string | null | undefined } },
): Promise<void> {
  expect(refused?.headers.get('set-cookie') ?? null).toBeNull();
  const events = node.events.length;
  const answer = await send(`${node.url}/auth/refresh`, { json: {}, headers: withCookie(refreshToken) });
  expect(answer.status).toBe(200);
  expect(node.events.slice(events)).toMatchObject([{ type: 'rotated', sid }]);
}
