import type { TokenPair } from '../issuer/token-pair.js';

/** The wire form of a `TokenPair`, RFC 6749 section 5.1. With the cookie carrier `refresh_token` is absent. */
export interface TokenResponseBody {
  readonly access_token: string;
  readonly token_type: 'Bearer';
  /** seconds */
  readonly expires_in: number;
  readonly refresh_token?: string;
  /** seconds */
  readonly refresh_expires_in: number;
  readonly scope?: string;
  readonly sid: string;
}

export function toBody(pair: TokenPair, refreshToken: { refresh_token?: string }): TokenResponseBody {
  return {
    access_token: pair.accessToken,
    token_type: 'Bearer',
    expires_in: pair.expiresIn,
    ...refreshToken,
    refresh_expires_in: pair.refreshExpiresIn,
    ...(pair.scope !== null && { scope: pair.scope }),
    sid: pair.sid,
  };
}
