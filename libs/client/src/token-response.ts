/** The answer of a login or a refresh, RFC 6749 section 5.1, as nestjs-token-family sends it. */
export interface TokenResponse {
  readonly access_token: string;
  readonly token_type: 'Bearer';
  /** seconds */
  readonly expires_in: number;
  /** absent when the server keeps it in a cookie */
  readonly refresh_token?: string;
  /** seconds */
  readonly refresh_expires_in: number;
  /** space-separated */
  readonly scope?: string;
  readonly sid: string;
}

/** What is used of it; a server that says more is understood, too. */
export type Tokens = Pick<TokenResponse, 'access_token' | 'expires_in' | 'refresh_token' | 'scope' | 'sid'>;

/** Whether `body` is a token response: a page of a hotel's network, answered with 200, is none. */
export function isTokenResponse(body: unknown): body is Tokens {
  const { access_token, expires_in, sid } = Object(body) as Record<string, unknown>;
  return [access_token, sid].every((text) => typeof text === 'string') && (expires_in as number) > 0;
}
