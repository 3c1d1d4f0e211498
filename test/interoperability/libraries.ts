import * as oauth from 'oauth4webapi';
import * as openid from 'openid-client';
import type { Client } from './clients.js';

/** Tokens as a library hands them out after it has checked the answer. */
interface Granted {
  readonly accessToken: string;
  readonly refreshToken: string | undefined;
  readonly scope: string | undefined;
  /** seconds */
  readonly expiresIn: number | undefined;
}

/** What a standard client can do, by a library that knows nothing of us but where we are. */
export interface StandardClient {
  refresh(token: string, parameters?: Record<string, string>): Promise<Granted>;
  revoke(token: string, hint?: string): Promise<void>;
  introspect(token: string): Promise<Record<string, unknown>>;
}

export type Method = 'none' | 'client_secret_basic' | 'client_secret_post';

/** Both find the endpoints by RFC 8414. */
export const LIBRARIES = { 'openid-client': byOpenidClient, oauth4webapi: byOauth4webapi };

async function byOpenidClient(issuer: string, client: Client, method: Method): Promise<StandardClient> {
  const authentication = {
    none: () => openid.None(),
    client_secret_basic: () => openid.ClientSecretBasic(client.secret),
    client_secret_post: () => openid.ClientSecretPost(client.secret),
  };
  const configuration = await openid.discovery(
    new URL(issuer),
    client.id,
    undefined,
    authentication[method](),
    {
      algorithm: 'oauth2',
      execute: [openid.allowInsecureRequests],
    },
  );
  return {
    refresh: async (token, parameters) =>
      granted(await openid.refreshTokenGrant(configuration, token, parameters)),
    revoke: (token, hint) =>
      openid.tokenRevocation(configuration, token, hint === undefined ? {} : { token_type_hint: hint }),
    introspect: (token) => openid.tokenIntrospection(configuration, token),
  };
}

/** There is no TLS between the tests and the demo. */
const INSECURE = { [oauth.allowInsecureRequests]: true };

export async function discover(issuer: string): Promise<oauth.AuthorizationServer> {
  const response = await oauth.discoveryRequest(new URL(issuer), { algorithm: 'oauth2', ...INSECURE });
  return oauth.processDiscoveryResponse(new URL(issuer), response);
}

async function byOauth4webapi(
  issuer: string,
  { id, secret = '' }: Client,
  method: Method,
): Promise<StandardClient> {
  const authentication = {
    none: () => oauth.None(),
    client_secret_basic: () => oauth.ClientSecretBasic(secret),
    client_secret_post: () => oauth.ClientSecretPost(secret),
  }[method]();
  const client: oauth.Client = { client_id: id };
  const server = await discover(issuer);
  return {
    refresh: async (token, parameters = {}) => {
      const options = { additionalParameters: parameters, ...INSECURE };
      const response = await oauth.refreshTokenGrantRequest(server, client, authentication, token, options);
      return granted(await oauth.processRefreshTokenResponse(server, client, response));
    },
    revoke: async (token, hint) => {
      const options = {
        ...(hint !== undefined && { additionalParameters: { token_type_hint: hint } }),
        ...INSECURE,
      };
      const response = await oauth.revocationRequest(server, client, authentication, token, options);
      await oauth.processRevocationResponse(response);
    },
    introspect: async (token) => {
      const response = await oauth.introspectionRequest(server, client, authentication, token, INSECURE);
      return oauth.processIntrospectionResponse(server, client, response);
    },
  };
}

/** RFC 9068 section 4, with the keys that the metadata lead to. */
export function validate(
  server: oauth.AuthorizationServer,
  token: string,
  audience: string,
): Promise<oauth.JWTAccessTokenClaims> {
  const request = new Request(audience, { headers: { authorization: `Bearer ${token}` } });
  return oauth.validateJwtAccessToken(server, request, audience, INSECURE);
}

function granted(response: oauth.TokenEndpointResponse): Granted {
  return {
    accessToken: response.access_token,
    refreshToken: response.refresh_token,
    scope: response.scope,
    expiresIn: response.expires_in,
  };
}
