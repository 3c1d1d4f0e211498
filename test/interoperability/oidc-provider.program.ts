import type { AddressInfo } from 'node:net';
import { Provider, type Configuration } from 'oidc-provider';
import { CLIENTS, LIFETIMES, REPORTS, SCOPE, SUBJECT } from './clients.js';
import type { Login, LoginState } from './party.js';

export interface Order {
  /** which answer is to it */
  readonly number: number;
  readonly clientId: string;
  readonly state: LoginState;
}
export type Told = { readonly listening: number } | { readonly login: Login; readonly number: number };

/** As alike as it can be set: the same clients and routes, rotation at every use, and who may look at what. */
const configuration: Configuration = {
  clients: [...CLIENTS, REPORTS].map(({ id, secret }) => ({
    client_id: id,
    redirect_uris: [],
    response_types: [],
    grant_types: ['refresh_token'],
    token_endpoint_auth_method: secret === undefined ? 'none' : 'client_secret_basic',
    ...(secret !== undefined && { client_secret: secret }),
  })),
  scopes: SCOPE.split(' '),
  clientAuthMethods: ['none', 'client_secret_basic', 'client_secret_post'],
  // What makes it offer the grant at all; logins come from us.
  issueRefreshToken: () => true,
  rotateRefreshToken: true,
  findAccount: (_context, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
  ttl: { AccessToken: LIFETIMES.access, RefreshToken: LIFETIMES.refresh, Grant: LIFETIMES.refresh },
  routes: { token: '/oauth/token', revocation: '/oauth/revoke', introspection: '/oauth/introspect' },
  features: {
    devInteractions: { enabled: false },
    revocation: { enabled: true },
    introspection: {
      enabled: true,
      allowedPolicy: (_context, { clientId, clientAuthMethod }, token) =>
        clientId === REPORTS.id
          ? token.kind === 'AccessToken'
          : clientAuthMethod !== 'none' && clientId === token.clientId,
    },
  },
};

const provider = new Provider('http://127.0.0.1', configuration);

/** What a visit to its authorization endpoint would have come to. */
async function logIn({ clientId, state }: Order): Promise<Login> {
  const client = (await provider.Client.find(clientId))!;
  const grant = new provider.Grant({ accountId: SUBJECT, clientId });
  grant.addOIDCScope(SCOPE);
  const granted = {
    accountId: SUBJECT,
    client,
    grantId: await grant.save(),
    gty: 'authorization_code',
    scope: SCOPE,
    ...(state === 'expired' && { exp: Math.floor(Date.now() / 1000) - 60 }),
  };
  return {
    refreshToken: await new provider.RefreshToken(granted).save(),
    accessToken: await new provider.AccessToken(granted).save(),
  };
}

const tell = (told: Told): boolean => process.send!(told);
process.on('message', (order: Order) => {
  void logIn(order).then((login) => tell({ login, number: order.number }));
});
process.on('disconnect', () => process.exit());
const server = provider.listen(0, '127.0.0.1', () => {
  tell({ listening: (server.address() as AddressInfo).port });
});
