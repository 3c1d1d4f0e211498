/** What a log tells of a failure: of an error of ours its cause, which the wire never gets. */
export function reasonOf(error: unknown): string {
  const { cause = error } = error as { cause?: unknown };
  const { message, code } = cause as { message?: string; code?: string };
  // Where a name has several addresses and none answers, the message is empty.
  return message || String(code ?? cause);
}
