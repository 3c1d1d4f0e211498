import { basic, OTHER, REPORTS, WEB } from './clients.js';
import { because, OTHER_METHOD } from './differences.js';
import type { Case } from './observation.js';

const BY_APP = 'client_id=app';

/** RFC 7009. */
const revocations: readonly Omit<Case, 'to'>[] = [
  { title: 'a refresh token', body: `token=REFRESH_TOKEN&${BY_APP}` },
  { title: 'an access token', body: `token=ACCESS_TOKEN&${BY_APP}` },
  {
    title: 'a refresh token, by nobody',
    differs: because('unnamed', 'status', 'error', 'type', 'login', 'accessToken'),
    body: 'token=REFRESH_TOKEN',
  },
  {
    title: 'a refresh token, with its hint',
    body: `token=REFRESH_TOKEN&token_type_hint=refresh_token&${BY_APP}`,
  },
  {
    title: 'a refresh token, with the wrong hint',
    body: `token=REFRESH_TOKEN&token_type_hint=access_token&${BY_APP}`,
  },
  {
    title: 'an access token, with its hint',
    body: `token=ACCESS_TOKEN&token_type_hint=access_token&${BY_APP}`,
  },
  {
    title: 'an access token, with the wrong hint',
    body: `token=ACCESS_TOKEN&token_type_hint=refresh_token&${BY_APP}`,
  },
  { title: 'an unknown hint', body: `token=REFRESH_TOKEN&token_type_hint=magic&${BY_APP}` },
  { title: 'an empty hint', body: `token=REFRESH_TOKEN&token_type_hint=&${BY_APP}` },
  { title: 'a hint twice', body: `token=REFRESH_TOKEN&token_type_hint=a&token_type_hint=b&${BY_APP}` },
  { title: 'no token', body: BY_APP },
  { title: 'a token without a value', body: `token=&${BY_APP}` },
  { title: 'a token twice', body: `token=REFRESH_TOKEN&token=REFRESH_TOKEN&${BY_APP}` },
  { title: 'garbage', body: `token=garbage&${BY_APP}` },
  {
    title: 'a JWT of nobody',
    differs: because('structured', 'status', 'error', 'caching', 'type'),
    body: `token=eyJhbGciOiJub25lIn0.e30.&${BY_APP}`,
  },
  { title: 'a spent refresh token', after: 'spent', body: `token=REFRESH_TOKEN&${BY_APP}` },
  { title: 'a revoked refresh token', after: 'revoked', body: `token=REFRESH_TOKEN&${BY_APP}` },
  { title: 'an access token of a revoked login', after: 'revoked', body: `token=ACCESS_TOKEN&${BY_APP}` },
  { title: 'an expired refresh token', after: 'expired', body: `token=REFRESH_TOKEN&${BY_APP}` },
  { title: 'an expired access token', after: 'expired', body: `token=ACCESS_TOKEN&${BY_APP}` },
  { title: 'a foreign refresh token, by a public client', of: 'web', body: `token=REFRESH_TOKEN&${BY_APP}` },
  { title: 'a foreign access token, by a public client', of: 'web', body: `token=ACCESS_TOKEN&${BY_APP}` },
  {
    title: 'a foreign refresh token, by a confidential client',
    differs: because('foreign', 'error'),
    authorization: basic(OTHER),
    body: 'token=REFRESH_TOKEN',
  },
  {
    title: 'a foreign access token, by a confidential client',
    differs: because('foreign', 'error'),
    authorization: basic(OTHER),
    body: 'token=ACCESS_TOKEN',
  },
  {
    title: 'a refresh token, by a resource server',
    differs: because('resourceServer', 'status', 'error', 'challenge'),
    authorization: basic(REPORTS),
    body: 'token=REFRESH_TOKEN',
  },
  { title: 'a token in the query', query: 'token=REFRESH_TOKEN', body: BY_APP },
  {
    title: 'GET',
    differs: OTHER_METHOD,
    method: 'GET',
    type: null,
    query: `token=REFRESH_TOKEN&${BY_APP}`,
    body: '',
  },
  {
    title: 'GET with a callback',
    differs: OTHER_METHOD,
    method: 'GET',
    type: null,
    query: `token=REFRESH_TOKEN&${BY_APP}&callback=f`,
    body: '',
  },
  {
    title: 'JSON',
    differs: because('mediaType', 'status'),
    type: 'application/json',
    body: '{"token":"REFRESH_TOKEN","client_id":"app"}',
  },
  {
    title: 'a form without its Content-Type',
    differs: because('mediaType', 'status'),
    differsOn: { fastify: because('parser', 'error') },
    type: null,
    body: `token=REFRESH_TOKEN&${BY_APP}`,
  },
  {
    title: 'a body of 12 KiB',
    differs: because('size', 'status', 'error', 'type', 'login', 'accessToken'),
    body: `token=REFRESH_TOKEN&${BY_APP}&padding=${'x'.repeat(12_288)}`,
  },
];

/** RFC 7662. */
const introspections: readonly Omit<Case, 'to'>[] = [
  {
    title: 'an access token, by a resource server',
    authorization: basic(REPORTS),
    body: 'token=ACCESS_TOKEN',
  },
  {
    title: 'a refresh token, by a resource server',
    authorization: basic(REPORTS),
    body: 'token=REFRESH_TOKEN',
  },
  {
    title: 'an access token, by its client',
    of: 'web',
    authorization: basic(WEB),
    body: 'token=ACCESS_TOKEN',
  },
  {
    title: 'a refresh token, by its client',
    of: 'web',
    authorization: basic(WEB),
    body: 'token=REFRESH_TOKEN',
  },
  {
    title: 'an access token, by its public client',
    differs: because('hidden', 'status', 'error', 'challenge', 'says', 'members'),
    body: `token=ACCESS_TOKEN&${BY_APP}`,
  },
  { title: 'a foreign access token', authorization: basic(OTHER), body: 'token=ACCESS_TOKEN' },
  { title: 'a foreign refresh token', authorization: basic(OTHER), body: 'token=REFRESH_TOKEN' },
  { title: 'garbage', authorization: basic(REPORTS), body: 'token=garbage' },
  {
    title: 'a JWT of nobody',
    differs: because('structured', 'status', 'error', 'says', 'members'),
    authorization: basic(REPORTS),
    body: 'token=eyJhbGciOiJub25lIn0.e30.',
  },
  {
    title: 'a spent refresh token',
    differs: because('family', 'says', 'members'),
    of: 'web',
    after: 'spent',
    authorization: basic(WEB),
    body: 'token=REFRESH_TOKEN',
  },
  {
    title: 'an access token from before a refresh',
    after: 'spent',
    authorization: basic(REPORTS),
    body: 'token=ACCESS_TOKEN',
  },
  {
    title: 'a revoked refresh token',
    of: 'web',
    after: 'revoked',
    authorization: basic(WEB),
    body: 'token=REFRESH_TOKEN',
  },
  {
    title: 'an access token of a revoked login',
    after: 'revoked',
    authorization: basic(REPORTS),
    body: 'token=ACCESS_TOKEN',
  },
  {
    title: 'an expired refresh token',
    of: 'web',
    after: 'expired',
    authorization: basic(WEB),
    body: 'token=REFRESH_TOKEN',
  },
  {
    title: 'an expired access token',
    after: 'expired',
    authorization: basic(REPORTS),
    body: 'token=ACCESS_TOKEN',
  },
  {
    title: 'the wrong hint',
    authorization: basic(REPORTS),
    body: 'token=ACCESS_TOKEN&token_type_hint=refresh_token',
  },
  {
    title: 'an unknown hint',
    authorization: basic(REPORTS),
    body: 'token=ACCESS_TOKEN&token_type_hint=magic',
  },
  { title: 'no token', authorization: basic(REPORTS), body: '' },
  { title: 'a token without a value', authorization: basic(REPORTS), body: 'token=' },
  { title: 'a token twice', authorization: basic(REPORTS), body: 'token=ACCESS_TOKEN&token=ACCESS_TOKEN' },
  { title: 'a token in the query', authorization: basic(REPORTS), query: 'token=ACCESS_TOKEN', body: '' },
  {
    title: 'GET',
    differs: OTHER_METHOD,
    method: 'GET',
    type: null,
    authorization: basic(REPORTS),
    query: 'token=ACCESS_TOKEN',
    body: '',
  },
  {
    title: 'JSON',
    differs: because('mediaType', 'status'),
    type: 'application/json',
    authorization: basic(REPORTS),
    body: '{"token":"ACCESS_TOKEN"}',
  },
  {
    title: 'a resource server with a wrong secret',
    authorization: basic({ ...OTHER, id: 'reports' }),
    body: 'token=ACCESS_TOKEN',
  },
  {
    title: 'a resource server by its secret in the body',
    body: `token=ACCESS_TOKEN&client_id=reports&client_secret=${REPORTS.secret!}`,
  },
];

export const tokenStateCases: readonly Case[] = [
  ...revocations.map((each): Case => ({ ...each, to: 'revoke' })),
  ...introspections.map((each): Case => ({ ...each, to: 'introspect' })),
];
