/** What `fetch` names as the cause when a connection ended before the answer did. */
const LOST: ReadonlySet<unknown> = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET']);

/**
 * Asks, and once more at once when the connection was lost before the answer was there in full.
 *
 * A server closes a connection that has been idle for some time, and the next question may be on its way by then: as
 * good as always the issuer is well, and a new connection is answered. Nobody can tell whether the lost question
 * arrived, so this is for questions that change nothing.
 *
 * @param ask by `fetch`, within one limit of time for both attempts
 * @throws {Error} as the last attempt failed; one that was refused, took too long or got a bad answer is the last
 * @see RFC 9112 section 9.3.1
 */
export async function againIfLost<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    const { cause } = error as { cause?: { code?: unknown } };
    if (!LOST.has(cause?.code)) throw error;
    return ask();
  }
}
