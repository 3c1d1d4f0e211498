/** What a login or a refresh hands out. Both tokens are secrets: send them, store neither, log neither. */
export interface TokenPair {
  readonly accessToken: string;
  /** seconds */
  readonly expiresIn: number;
  /** 96 characters */
  readonly refreshToken: string;
  /** seconds; rounded down to the hour where it could tell the time of a rotation */
  readonly refreshExpiresIn: number;
  /** of the access token, space-separated; null when the login granted none */
  readonly scope: string | null;
  /** the session, that is, the family */
  readonly sid: string;
  readonly subject: string;
}
