/** An hour, in seconds: a proxy that errs must not end a session. */
const LONGEST = 3600;

/**
 * Seconds that an answer asks to wait; a date is compared with the server's own clock, not with this device's.
 *
 * @see RFC 9110 section 10.2.3
 */
export function retryAfterOf({ headers }: Response): number | undefined {
  const text = headers.get('retry-after') ?? '';
  const seconds = /^\d+$/.test(text)
    ? Number(text)
    : (Date.parse(text) - Date.parse(headers.get('date') ?? '')) / 1000;
  return Number.isNaN(seconds) ? undefined : Math.min(Math.max(seconds, 0), LONGEST);
}
