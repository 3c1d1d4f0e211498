/** What this issuer says of itself. */
export interface AuthorizationServer {
  /** RFC 8414; null when `issuer` is no URL, which clients could ask */
  readonly metadata: Readonly<Record<string, unknown>> | null;
  /** of `issuer`, without a slash at its end; mostly empty */
  readonly issuerPath: string;
  /** seconds that others may keep what they were told; less than a key is published before it signs */
  readonly maxAge: number;
}
export const AuthorizationServer = Symbol('AuthorizationServer');

const MAX_AGE = 300;

/**
 * @param mounted `baseUrl`: where our routes are reached from outside; `prefix`: of the refresh route
 * @param publishLead seconds; null where keys are given at start
 * @see RFC 8414 section 2
 */
export function describeAuthorizationServer(
  issuer: string,
  mounted: { readonly baseUrl?: string | undefined; readonly prefix: string },
  publishLead: number | null,
): AuthorizationServer {
  const maxAge = publishLead === null ? MAX_AGE : Math.min(MAX_AGE, Math.floor(publishLead / 2));
  const url = URL.canParse(issuer) ? new URL(issuer) : null;
  if (!url || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '') {
    return { metadata: null, issuerPath: '', maxAge };
  }
  const base = withoutSlash(mounted.baseUrl ?? issuer);
  // What has no element is left out: RFC 8414 section 3.2. There is no authorization endpoint, so no response type.
  const metadata = {
    issuer,
    jwks_uri: `${base}/.well-known/jwks.json`,
    token_endpoint: `${base}/${mounted.prefix}/refresh`,
    grant_types_supported: ['refresh_token'],
    token_endpoint_auth_methods_supported: ['none'],
  };
  return { metadata, issuerPath: withoutSlash(url.pathname), maxAge };
}

function withoutSlash(text: string): string {
  return text.replace(/\/$/, '');
}
