/** Why a client has no access token to give. */
export type TokenClientErrorCode =
  /** nobody is logged in, or the session has ended: show the login */
  | 'ERR_NO_SESSION'
  /** the server cannot be reached or is busy; the session lives: try again later */
  | 'ERR_UNAVAILABLE'
  /** the server did not understand the refresh, and repeating it would not help: a wrong `baseUrl`, client or origin */
  | 'ERR_REFUSED'
  /** the storage cannot be read, so that nobody knows who is logged in; `cause` says why */
  | 'ERR_STORAGE'
  /** `dispose` was called */
  | 'ERR_DISPOSED';

/** What goes wrong with a session or its server. No token and no key is in the message. */
export class TokenClientError extends Error {
  override readonly name = 'TokenClientError';

  constructor(
    readonly code: TokenClientErrorCode,
    message: string,
    /** seconds until the client's next attempt, with `ERR_UNAVAILABLE` */
    readonly retryAfter?: number,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

export function noSession(): TokenClientError {
  return new TokenClientError('ERR_NO_SESSION', 'Nobody is logged in');
}

/** @param retryAfter seconds */
export function unavailable(retryAfter?: number): TokenClientError {
  return new TokenClientError('ERR_UNAVAILABLE', 'The server cannot be reached', retryAfter);
}

export function refused(status: number): TokenClientError {
  return new TokenClientError('ERR_REFUSED', `The server refused with ${status}`);
}

export function unreadable(cause: unknown): TokenClientError {
  return new TokenClientError('ERR_STORAGE', 'The storage cannot be read', undefined, { cause });
}

export function disposed(): TokenClientError {
  return new TokenClientError('ERR_DISPOSED', 'The client was disposed');
}
