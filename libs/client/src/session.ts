import type { Tokens } from './token-response.js';

/** Who is logged in, as far as a client can say without reading the access token. */
export interface Session {
  /** the session's id, the `sid` claim of its access tokens */
  readonly sid: string;
  /** space-separated; absent where none was granted */
  readonly scope?: string;
}

/** What has become of the session, and why. */
export interface SessionChange {
  /** null: nobody is logged in any more */
  readonly session: Session | null;
  /**
   * `login`: by `setTokens`, in this tab or another. `restored`: it was there when the client began. `logout`: by `logout`,
   * in this tab or another. `invalid_grant`: the server has ended it (expired, revoked or stolen). `replaced`: another
   * login has taken its place.
   */
  readonly reason: 'login' | 'restored' | 'logout' | 'invalid_grant' | 'replaced';
}

export function sessionOf({ sid, scope }: Tokens): Session {
  return scope === undefined ? { sid } : { sid, scope };
}
