import { ask, type Reply } from '../attacks/wire.js';
import type { Adapter } from '../support/node.js';
import { APP, basic, CLIENTS, REPORTS } from './clients.js';
import type { Differences } from './differences.js';
import type { Login, LoginState, Party } from './party.js';

export type Endpoint = 'token' | 'revoke' | 'introspect';

/** One request; `REFRESH_TOKEN` and `ACCESS_TOKEN` in it stand for those of a login of its own. */
export interface Case {
  readonly title: string;
  readonly to: Endpoint;
  /** the client that logged in; the public one unless it is said */
  readonly of?: string;
  /** what happened to the tokens before */
  readonly after?: LoginState | 'spent' | 'revoked';
  readonly method?: string;
  /** of the body; null: none is told */
  readonly type?: string | null;
  readonly authorization?: string;
  readonly headers?: readonly (readonly [name: string, value: string])[];
  readonly query?: string;
  readonly body: string;
  /** what is known to be answered in another way, and why */
  readonly differs?: Differences;
  /** what the adapter alone makes of it, beside `differs` and in its place */
  readonly differsOn?: Partial<Record<Adapter, Differences>>;
}

export interface Observation {
  readonly status: number;
  /** of the body; empty: none */
  readonly error: string;
  /** whether it has a WWW-Authenticate */
  readonly challenge: string;
  readonly caching: string;
  readonly type: string;
  /** what it grants, or says of the token */
  readonly says: string;
  /** the names in the body of a success */
  readonly members: string;
  /** what is left of the login */
  readonly login: string;
  readonly accessToken: string;
}
export type Aspect = keyof Observation;

/** What comes of a case at one party: the answer, and what the tokens are good for then. */
export async function observe(party: Party, it: Case): Promise<Observation> {
  const clientId = it.of ?? APP.id;
  const { after = 'good' } = it;
  const login = await party.logIn(clientId, after === 'expired' ? 'expired' : 'good');
  const newest = await prepare(party, clientId, login, after);
  const reply = await ask(party.url, requestOf(it, login));
  const body = bodyOf(reply);
  const isActive = bodyOf(await introspect(party, login.accessToken))['active'] === true;
  const token = textOf(body, 'refresh_token') || newest;
  const lives = (await refresh(party, clientId, token)).status === 200;
  const isGood = reply.status < 300;
  checkDescription(textOf(body, 'error_description'));
  return {
    status: reply.status,
    error: isGood ? '' : textOf(body, 'error'),
    challenge: reply.headers.get('www-authenticate')?.split(' ', 1)[0] ?? '',
    caching: reply.headers.get('cache-control') ?? '',
    type: reply.headers.get('content-type')?.split(';', 1)[0] ?? '',
    says: isGood ? saysOf(body) : '',
    members: isGood ? Object.keys(body).toSorted().join(' ') : '',
    login: lives ? 'lives' : 'ended',
    accessToken: isActive ? 'active' : 'inactive',
  };
}

/** RFC 6749 section 5.2: what it is made of. */
function checkDescription(text: string): void {
  if (/[^\x20-\x21\x23-\x5b\x5d-\x7e]/.test(text))
    throw new Error(`An error_description of other characters: ${text}`);
}

/** @returns the refresh token that is good, if any is */
async function prepare(party: Party, clientId: string, login: Login, after: string): Promise<string> {
  if (after === 'spent') {
    const rotated = bodyOf(await refresh(party, clientId, login.refreshToken));
    await party.passTime(login);
    return textOf(rotated, 'refresh_token');
  }
  if (after === 'revoked') await asClient(party, clientId, 'revoke', { token: login.refreshToken });
  return login.refreshToken;
}

function refresh(party: Party, clientId: string, token: string): Promise<Reply> {
  return asClient(party, clientId, 'token', { grant_type: 'refresh_token', refresh_token: token });
}

function introspect(party: Party, token: string): Promise<Reply> {
  return asClient(party, REPORTS.id, 'introspect', { token });
}

/** As a client does it that knows how. */
function asClient(
  party: Party,
  clientId: string,
  to: Endpoint,
  parameters: Record<string, string>,
): Promise<Reply> {
  const client = [...CLIENTS, REPORTS].find(({ id }) => id === clientId)!;
  const body = new URLSearchParams({
    ...parameters,
    ...(client.secret === undefined && { client_id: clientId }),
  }).toString();
  const authorization = client.secret === undefined ? {} : { authorization: basic(client) };
  return ask(party.url, requestOf({ title: '', to, body, ...authorization }));
}

const FORM = 'application/x-www-form-urlencoded';

function requestOf(it: Case, login?: Login) {
  const { to, method = 'POST', type = FORM, authorization, headers = [], query, body } = it;
  const filled = (text: string): string =>
    text
      .replaceAll('REFRESH_TOKEN', login?.refreshToken ?? '')
      .replaceAll('ACCESS_TOKEN', login?.accessToken ?? '');
  return {
    method,
    path: `/oauth/${to}${query === undefined ? '' : `?${filled(query)}`}`,
    headers: [
      ...(type === null ? [] : [['Content-Type', type] as const]),
      ...(authorization === undefined ? [] : [['Authorization', filled(authorization)] as const]),
      ...headers,
    ],
    body: filled(body),
  };
}

function bodyOf({ headers, body }: Reply): Record<string, unknown> {
  const isJson = /^application\/json\b/.test(headers.get('content-type') ?? '');
  return isJson && body !== '' ? (JSON.parse(body) as Record<string, unknown>) : {};
}

function textOf(body: Record<string, unknown>, name: string): string {
  const value = body[name];
  return typeof value === 'string' ? value : '';
}

function saysOf({ active, scope }: Record<string, unknown>): string {
  const words = [
    ...(active === undefined ? [] : [active === true ? 'active' : 'inactive']),
    ...(typeof scope === 'string' ? [`scope ${scope.split(' ').toSorted().join(' ')}`] : []),
  ];
  return words.join(', ');
}
