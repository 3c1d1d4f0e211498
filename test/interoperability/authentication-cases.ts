import { basic, basicOf, OTHER, WEB } from './clients.js';
import { ATTEMPTED, because, NOBODY, NOT_ITS_OWN, type Differences } from './differences.js';
import type { Case, Endpoint } from './observation.js';

/** RFC 6749 section 2.3.1. `body` is what stands beside the parameters of the endpoint. */
interface Attempt {
  readonly title: string;
  readonly authorization?: string;
  readonly body?: string;
  readonly headers?: Case['headers'];
  readonly query?: string;
  /** at the token endpoint alone */
  readonly isDetail?: true;
  readonly differs?: Differences;
  readonly differsAt?: Partial<Record<Endpoint, Differences>>;
}

const secret = WEB.secret!;
const inBody = `client_id=web&client_secret=${encodeURIComponent(secret)}`;
const encoded = encodeURIComponent(secret);

/** In what two answers differ of which one is a success, the other 401. */
const REFUSED = ['status', 'error', 'challenge', 'says', 'members'] as const;

/** Nobody is the default client, which has no use for a token of another one; and introspection asks for a client. */
const UNNAMED: Attempt['differsAt'] = {
  token: NOT_ITS_OWN,
  revoke: because('unnamed', 'status', 'error', 'type'),
  introspect: NOBODY,
};

const attempts: readonly Attempt[] = [
  { title: 'a client by Basic', authorization: basic(WEB) },
  {
    title: 'a client by Basic in small letters',
    authorization: basic(WEB).replace('Basic', 'basic'),
    isDetail: true,
  },
  {
    title: 'a client by Basic in capitals',
    authorization: basic(WEB).replace('Basic', 'BASIC'),
    isDetail: true,
  },
  {
    title: 'a client by Basic, percent-encoded throughout',
    authorization: basicOf(`%77%65%62:${encoded}`),
    isDetail: true,
  },
  {
    title: 'a client by Basic, its secret not encoded',
    differs: because('asSent', ...REFUSED),
    authorization: basicOf(`web:${secret}`),
    isDetail: true,
  },
  { title: 'a client by Basic, with client_id beside it', authorization: basic(WEB), body: 'client_id=web' },
  {
    title: 'a client by Basic, with client_secret empty beside it',
    authorization: basic(WEB),
    body: 'client_secret=',
    isDetail: true,
  },
  { title: 'a client by its secret in the body', body: inBody },
  {
    title: 'a secret in the body, beside an Authorization header that is empty',
    differs: because('strict', ...REFUSED),
    body: inBody,
    authorization: '',
    isDetail: true,
  },
  { title: 'a client by its secret in the query', query: inBody, differs: NOT_ITS_OWN, isDetail: true },
  { title: 'no client', differsAt: UNNAMED, body: '' },
  {
    title: 'a public client by its id',
    differsAt: { introspect: because('hidden', 'status', 'error', 'challenge', 'says', 'members') },
    body: 'client_id=app',
  },
  { title: 'an empty client_id', differsAt: UNNAMED, body: 'client_id=' },
  { title: 'an unknown client', body: 'client_id=nobody' },
  {
    title: 'an unknown client with a secret, in the body',
    body: `client_id=nobody&client_secret=${encoded}`,
  },
  { title: 'an unknown client with a secret, by Basic', authorization: basicOf(`nobody:${encoded}`) },
  { title: 'a confidential client without its secret', body: 'client_id=web' },
  {
    title: 'a confidential client with an empty secret in the body',
    body: 'client_id=web&client_secret=',
    isDetail: true,
  },
  {
    title: 'a confidential client with an empty secret by Basic',
    differs: ATTEMPTED,
    authorization: basicOf('web:'),
    isDetail: true,
  },
  { title: 'a wrong secret by Basic', authorization: basic({ ...OTHER, id: 'web' }) },
  { title: 'a wrong secret in the body', body: `client_id=web&client_secret=${OTHER.secret!}` },
  { title: 'a secret with a letter more', body: `${inBody}A`, isDetail: true },
  { title: 'a secret without its client', differs: NOBODY, body: `client_secret=${encoded}`, isDetail: true },
  { title: 'a public client with a secret in the body', body: `client_id=app&client_secret=${encoded}` },
  {
    title: 'a public client with a secret by Basic',
    authorization: basicOf(`app:${encoded}`),
    isDetail: true,
  },
  {
    title: 'a public client with an empty secret by Basic',
    differs: ATTEMPTED,
    authorization: basicOf('app:'),
    isDetail: true,
  },
  { title: 'two methods that agree', authorization: basic(WEB), body: inBody },
  {
    title: 'two methods that disagree',
    authorization: basic(WEB),
    body: `client_id=other&client_secret=${OTHER.secret!}`,
    isDetail: true,
  },
  {
    title: 'a client by Basic, with another client_id beside it',
    authorization: basic(WEB),
    body: 'client_id=other',
  },
  { title: 'client_id twice', body: 'client_id=app&client_id=app' },
  { title: 'client_secret twice', body: `${inBody}&client_secret=${encoded}`, isDetail: true },
  { title: 'Basic that is not Base64', differs: ATTEMPTED, authorization: 'Basic !!!' },
  {
    title: 'Basic in base64url',
    differs: ATTEMPTED,
    authorization: basicOf('web:???>>>').replaceAll('/', '_'),
    isDetail: true,
  },
  {
    title: 'Basic without its padding',
    differs: because('strict', ...REFUSED),
    authorization: basic(WEB).replaceAll('=', ''),
    isDetail: true,
  },
  { title: 'Basic without a colon', differs: ATTEMPTED, authorization: basicOf('web') },
  { title: 'Basic with nothing after it', differs: ATTEMPTED, authorization: 'Basic', isDetail: true },
  { title: 'Basic with two values', differs: ATTEMPTED, authorization: `${basic(WEB)} more`, isDetail: true },
  {
    title: 'Basic with broken percent-encoding',
    differs: ATTEMPTED,
    authorization: basicOf('web:%zz'),
    isDetail: true,
  },
  {
    title: 'Basic with a control character',
    differs: ATTEMPTED,
    authorization: basicOf('web:a\u0000b'),
    isDetail: true,
  },
  { title: 'an access token as Bearer', differs: ATTEMPTED, authorization: 'Bearer ACCESS_TOKEN' },
  {
    title: 'an access token as Bearer, and client_id',
    differs: ATTEMPTED,
    authorization: 'Bearer ACCESS_TOKEN',
    body: 'client_id=web',
    isDetail: true,
  },
  { title: 'Digest', differs: ATTEMPTED, authorization: 'Digest username="web"', isDetail: true },
  {
    title: 'two Authorization headers',
    differs: because('strict', ...REFUSED),
    authorization: basic(WEB),
    headers: [['Authorization', basic(OTHER)]],
    isDetail: true,
  },
  {
    title: 'a client_assertion',
    differs: NOBODY,
    body: 'client_assertion=e30.e30.&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer',
    isDetail: true,
  },
];

const PARAMETERS: Record<Endpoint, string> = {
  token: 'grant_type=refresh_token&refresh_token=REFRESH_TOKEN',
  revoke: 'token=REFRESH_TOKEN',
  introspect: 'token=REFRESH_TOKEN',
};

export const authenticationCases: readonly Case[] = (['token', 'revoke', 'introspect'] as const).flatMap(
  (to) =>
    attempts
      .filter(({ isDetail }) => to === 'token' || !isDetail)
      .map(({ title, authorization, headers, query, body = '', differs, differsAt }) => ({
        title,
        to,
        of: title.includes('public') || title.includes('client_id twice') ? 'app' : 'web',
        body: [PARAMETERS[to], body].filter((part) => part !== '').join('&'),
        ...(authorization !== undefined && { authorization }),
        ...(headers && { headers }),
        ...(query !== undefined && { query }),
        differs: { ...differs, ...differsAt?.[to] },
      })),
);
