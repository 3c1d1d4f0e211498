import type { ResolvedOptions } from '../core/options.js';

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

const WITH_SECRET = ['client_secret_basic', 'client_secret_post'];

/**
 * @param mounted `baseUrl`: where our routes are reached from outside; `wellKnownUrl`: where the well-known ones are;
 * `oauthPrefix`: of those of RFC 6749
 * @see RFC 8414 section 2
 */
export function describeAuthorizationServer(
  options: ResolvedOptions,
  mounted: {
    readonly baseUrl?: string | undefined;
    readonly wellKnownUrl?: string | undefined;
    readonly oauthPrefix: string;
  },
): AuthorizationServer {
  const { issuer, accessToken } = options;
  const publishLead = accessToken.managedKeys?.publishLead;
  const maxAge = publishLead === undefined ? MAX_AGE : Math.min(MAX_AGE, Math.floor(publishLead / 2));
  const url = URL.canParse(issuer) ? new URL(issuer) : null;
  if (!url || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '') {
    return { metadata: null, issuerPath: '', maxAge };
  }
  const base = withoutSlash(mounted.baseUrl ?? issuer);
  const metadata = {
    issuer,
    jwks_uri: `${withoutSlash(mounted.wellKnownUrl ?? base)}/.well-known/jwks.json`,
    ...endpoints(`${base}/${mounted.oauthPrefix}`, options),
  };
  return { metadata, issuerPath: withoutSlash(url.pathname), maxAge };
}

/**
 * What has no element is left out, RFC 8414 section 3.2: there is no authorization endpoint, so no response type. So is
 * what nobody could use: the token endpoint where tokens are in cookies alone, introspection where nobody may ask.
 */
function endpoints(
  at: string,
  { clients, resourceServers, refreshToken }: ResolvedOptions,
): Readonly<Record<string, unknown>> {
  const hasPublic = clients.some(({ secrets }) => secrets.length === 0);
  const hasConfidential = clients.some(({ secrets }) => secrets.length > 0);
  const ofClients = [...(hasPublic ? ['none'] : []), ...(hasConfidential ? WITH_SECRET : [])];
  return {
    ...(refreshToken.carrier !== 'cookie' && {
      token_endpoint: `${at}/token`,
      token_endpoint_auth_methods_supported: ofClients,
    }),
    grant_types_supported: ['refresh_token'],
    revocation_endpoint: `${at}/revoke`,
    revocation_endpoint_auth_methods_supported: ofClients,
    ...((hasConfidential || resourceServers.length > 0) && {
      introspection_endpoint: `${at}/introspect`,
      introspection_endpoint_auth_methods_supported: WITH_SECRET,
    }),
  };
}

function withoutSlash(text: string): string {
  return text.replace(/\/$/, '');
}
