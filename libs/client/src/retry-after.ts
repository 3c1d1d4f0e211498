/** An hour: a proxy that errs must not end a session. */
const LONGEST = 3_600_000;

/**
 * Milliseconds that an answer asks to wait; a date is compared with the server's own clock, not with this device's.
 *
 * @see RFC 9110 section 10.2.3
 */
export function retryAfterOf({ headers }: Response): number | undefined {
  const text = headers.get('retry-after');
  if (text === null) return undefined;
  const wait = Number(text) * 1000 || Date.parse(text) - Date.parse(headers.get('date')!);
  return Math.min(Math.max(wait || 0, 0), LONGEST);
}
