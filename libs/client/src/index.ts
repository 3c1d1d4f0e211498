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
