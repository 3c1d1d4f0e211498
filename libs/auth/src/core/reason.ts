/** What a log tells of a failure: of an error of ours its cause, which the wire never gets. */
export function reasonOf(error: unknown): string {
  const { cause = error } = error as { cause?: unknown };
  const { message, code } = cause as { message?: string; code?: string };
  // Where a name has several addresses and none answers, the message is empty.
  return message || String(code ?? cause);
}

/** As `fetch` fails: with a message of its own, and what it found out in the cause. */
export function reasonOfFetch(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error ? `${message}: ${cause.message}` : message;
}
