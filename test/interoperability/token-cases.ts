import { basic, OTHER, WEB } from './clients.js';
import { because, OTHER_METHOD } from './differences.js';
import type { Case } from './observation.js';

const GRANT = 'grant_type=refresh_token';
const TOKEN = 'refresh_token=REFRESH_TOKEN';
const BY_APP = 'client_id=app';
const GOOD = `${GRANT}&${TOKEN}&${BY_APP}`;
const scope = (text: string): string => `${GOOD}&scope=${encodeURIComponent(text)}`;
const json = JSON.stringify({
  grant_type: 'refresh_token',
  refresh_token: 'REFRESH_TOKEN',
  client_id: 'app',
});

/** Of the public client that is our default one. */
const UNNAMED = because('unnamed', 'status', 'error', 'says', 'members');
const MEDIA_TYPE = because('mediaType', 'status');
const FASTIFY_REFUSES = { fastify: because('parser', 'error', 'caching') };
const EXPRESS_REFUSES = { express: because('parser', 'status', 'caching', 'says', 'members') };

type TokenCase = Omit<Case, 'to'>;

/** Which parameters there are, and how often: RFC 6749 sections 3.2 and 6. */
const parameters: readonly TokenCase[] = [
  { title: 'a refresh as it should be', body: GOOD },
  { title: 'a refresh that names no client', differs: UNNAMED, body: `${GRANT}&${TOKEN}` },
  { title: 'a refresh without a grant_type that names no client', body: TOKEN },
  { title: 'the parameters in another order', body: `${BY_APP}&${TOKEN}&${GRANT}` },
  { title: 'no parameter', body: '' },
  { title: 'no grant_type', body: `${TOKEN}&${BY_APP}` },
  { title: 'grant_type without a value', body: `grant_type=&${TOKEN}&${BY_APP}` },
  { title: 'grant_type unknown', body: `grant_type=magic&${TOKEN}&${BY_APP}` },
  { title: 'grant_type password', body: `grant_type=password&username=alice&password=wonderland&${BY_APP}` },
  {
    title: 'grant_type authorization_code',
    differs: because('grants', 'error'),
    body: `grant_type=authorization_code&code=0&${BY_APP}`,
  },
  {
    title: 'grant_type client_credentials',
    body: 'grant_type=client_credentials',
    authorization: basic(WEB),
  },
  { title: 'grant_type in capitals', body: `grant_type=REFRESH_token&${TOKEN}&${BY_APP}` },
  { title: 'grant_type twice', body: `${GRANT}&${GOOD}` },
  { title: 'grant_type as a list of one', body: `grant_type[]=refresh_token&${TOKEN}&${BY_APP}` },
  { title: 'no refresh_token', body: `${GRANT}&${BY_APP}` },
  { title: 'refresh_token without a value', body: `${GRANT}&refresh_token=&${BY_APP}` },
  { title: 'refresh_token twice', body: `${GOOD}&${TOKEN}` },
  { title: 'refresh_token as a list of one', body: `${GRANT}&refresh_token[]=REFRESH_TOKEN&${BY_APP}` },
  {
    title: 'refresh_token as a member of an object',
    body: `${GRANT}&refresh_token[a]=REFRESH_TOKEN&${BY_APP}`,
  },
  { title: 'an unknown parameter', body: `${GOOD}&colour=blue` },
  { title: 'an unknown parameter twice', body: `${GOOD}&colour=blue&colour=red` },
  {
    title: 'an unknown parameter named `__proto__`',
    differsOn: { fastify: because('parser', 'status', 'error', 'caching', 'says', 'members') },
    body: `${GOOD}&__proto__=1`,
  },
  {
    title: 'redirect_uri, which belongs to another grant',
    body: `${GOOD}&redirect_uri=https%3A%2F%2Fapp.test`,
  },
  { title: 'every parameter in the query, none in the body', query: GOOD, body: '' },
  { title: 'the refresh token in the query', query: TOKEN, body: `${GRANT}&${BY_APP}` },
  { title: 'the client in the query', differs: UNNAMED, query: BY_APP, body: `${GRANT}&${TOKEN}` },
  { title: 'the refresh token in the query too', query: TOKEN, body: GOOD },
];

/** How the request is sent: RFC 6749 section 3.2, and appendix B. */
const wire: readonly TokenCase[] = [
  { title: 'GET', differs: OTHER_METHOD, method: 'GET', type: null, query: GOOD, body: '' },
  { title: 'PUT', differs: OTHER_METHOD, method: 'PUT', body: GOOD },
  { title: 'DELETE', differs: OTHER_METHOD, method: 'DELETE', body: GOOD },
  { title: 'PATCH', differs: OTHER_METHOD, method: 'PATCH', body: GOOD },
  {
    title: 'a form without its Content-Type',
    differs: MEDIA_TYPE,
    differsOn: FASTIFY_REFUSES,
    type: null,
    body: GOOD,
  },
  { title: 'a form as text/plain', differs: MEDIA_TYPE, type: 'text/plain', body: GOOD },
  {
    title: 'a form as application/octet-stream',
    differs: MEDIA_TYPE,
    differsOn: FASTIFY_REFUSES,
    type: 'application/octet-stream',
    body: GOOD,
  },
  {
    title: 'a form with charset=utf-8',
    type: 'application/x-www-form-urlencoded; charset=utf-8',
    body: GOOD,
  },
  {
    title: 'a form with charset=UTF-8 in quotes',
    type: 'application/x-www-form-urlencoded; charset="UTF-8"',
    body: GOOD,
  },
  {
    title: 'a form with charset=utf-16',
    differsOn: EXPRESS_REFUSES,
    type: 'application/x-www-form-urlencoded; charset=utf-16',
    body: GOOD,
  },
  {
    title: 'a form with an unknown charset',
    differsOn: EXPRESS_REFUSES,
    type: 'application/x-www-form-urlencoded; charset=x-none',
    body: GOOD,
  },
  { title: 'its Content-Type in capitals', type: 'APPLICATION/X-WWW-FORM-URLENCODED', body: GOOD },
  {
    title: 'its Content-Type with an unknown parameter',
    type: 'application/x-www-form-urlencoded; v=1',
    body: GOOD,
  },
  { title: 'JSON', differs: MEDIA_TYPE, type: 'application/json', body: json },
  {
    title: 'JSON that is broken',
    differs: because('parser', 'error', 'caching'),
    type: 'application/json',
    body: '{"grant_type":',
  },
  { title: 'JSON said to be a form', body: json },
  {
    title: 'multipart/form-data',
    differs: MEDIA_TYPE,
    differsOn: FASTIFY_REFUSES,
    type: 'multipart/form-data; boundary=x',
    body: '--x--\r\n',
  },
  {
    title: 'a body of 12 KiB',
    differs: because('size', 'status', 'error', 'says', 'members'),
    body: `${GOOD}&padding=${'x'.repeat(12_288)}`,
  },
  {
    title: 'a body of 64 KiB',
    differs: because('size', 'status'),
    body: `${GOOD}&padding=${'x'.repeat(65_536)}`,
  },
  { title: 'a name that is percent-encoded', body: GOOD.replace('grant', '%67rant') },
  { title: 'ampersands before, between and after', body: `&${GOOD.replaceAll('&', '&&')}&` },
  {
    title: 'semicolons instead of ampersands',
    differs: because('unnamed', 'error'),
    body: GOOD.replaceAll('&', ';'),
  },
  { title: 'a parameter without a name', body: `${GOOD}&=1` },
  { title: 'a parameter without an equals sign', body: `${GOOD}&colour` },
  {
    title: 'a byte-order mark before it',
    differsOn: { express: because('parser', 'status', 'error', 'says', 'members') },
    body: `\u00ef\u00bb\u00bf${GOOD}`,
  },
  { title: 'a body of 1,200 parameters', differsOn: EXPRESS_REFUSES, body: `${GOOD}${'&a=1'.repeat(1200)}` },
  {
    title: 'a compressed body that is none',
    differsOn: { ...EXPRESS_REFUSES, fastify: because('mediaType', 'status', 'error', 'says', 'members') },
    headers: [['Content-Encoding', 'gzip']],
    body: GOOD,
  },
  { title: 'a body with broken percent-encoding', body: `${GOOD}&colour=%zz` },
  { title: 'Accept: text/plain', headers: [['Accept', 'text/plain']], body: GOOD },
  {
    title: 'Accept: text/html, and an error',
    differs: because('format', 'error', 'type'),
    headers: [['Accept', 'text/html']],
    body: `${TOKEN}&${BY_APP}`,
  },
];

/** What nobody else asks for. */
const ownHeaders: readonly TokenCase[] = [
  {
    title: 'X-Token-Carrier: cookie',
    headers: [['X-Token-Carrier', 'cookie']],
    body: GOOD,
    differs: because('carrier', 'status', 'error', 'says', 'members'),
  },
  { title: 'X-Token-Carrier: body', headers: [['X-Token-Carrier', 'body']], body: GOOD },
  {
    title: 'a cookie with a refresh token',
    headers: [['Cookie', '__Host-refresh_token=REFRESH_TOKEN']],
    body: GOOD,
  },
  { title: 'an Idempotency-Key', headers: [['Idempotency-Key', '"0123456789abcdef"']], body: GOOD },
  {
    title: 'an Idempotency-Key of one letter',
    headers: [['Idempotency-Key', 'a']],
    body: GOOD,
    differs: because('carrier', 'status', 'error', 'says', 'members'),
  },
];

/** RFC 6749 sections 3.3 and 6. */
const scopes: readonly TokenCase[] = [
  { title: 'scope as granted', body: scope('read write') },
  { title: 'scope in another order', body: scope('write read') },
  { title: 'scope narrower', body: scope('read') },
  { title: 'scope without a value', body: scope('') },
  { title: 'scope wider', body: scope('read write admin') },
  { title: 'scope altogether different', body: scope('admin') },
  { title: 'scope in capitals', body: scope('READ') },
  { title: 'scope with one word twice', body: scope('read read') },
  { title: 'scope twice', body: `${scope('read')}&scope=read` },
  { title: 'scope with a space before it', body: scope(' read') },
  { title: 'scope with two spaces between', body: scope('read  write') },
  { title: 'scope of one space', body: scope(' ') },
  { title: 'scope with a tab between', body: scope('read\twrite') },
  { title: 'scope with a comma between', body: scope('read,write') },
  { title: 'scope with a quotation mark', body: scope('"read"') },
  { title: 'scope with a letter beyond ASCII', body: scope('lesén') },
];

/** RFC 6749 section 5.2 and RFC 9700 section 4.14. */
const tokens: readonly TokenCase[] = [
  { title: 'a refresh token that is garbage', body: `${GRANT}&refresh_token=garbage&${BY_APP}` },
  { title: 'a refresh token with a letter more', body: `${GRANT}&refresh_token=REFRESH_TOKENA&${BY_APP}` },
  {
    title: 'a refresh token with a space before it',
    body: `${GRANT}&refresh_token=+REFRESH_TOKEN&${BY_APP}`,
  },
  { title: 'a refresh token of 4,000 letters', body: `${GRANT}&refresh_token=${'A'.repeat(4000)}&${BY_APP}` },
  { title: 'a refresh token with a NUL', body: `${GRANT}&refresh_token=%00&${BY_APP}` },
  { title: 'an access token in its place', body: `${GRANT}&refresh_token=ACCESS_TOKEN&${BY_APP}` },
  { title: 'a refresh token of another client, by a public one', of: 'web', body: GOOD },
  {
    title: 'a refresh token of another client, by a confidential one',
    of: 'app',
    authorization: basic(OTHER),
    body: `${GRANT}&${TOKEN}`,
  },
  { title: 'a refresh token that was spent', after: 'spent', body: GOOD },
  {
    title: 'a refresh token that was spent, with a wider scope',
    differs: because('theft', 'error', 'login', 'accessToken'),
    after: 'spent',
    body: scope('admin'),
  },
  {
    title: 'a refresh token that was spent, of another client',
    after: 'spent',
    authorization: basic(OTHER),
    body: `${GRANT}&${TOKEN}`,
  },
  { title: 'a refresh token that was revoked', after: 'revoked', body: GOOD },
  { title: 'a refresh token that has expired', after: 'expired', body: GOOD },
];

export const tokenCases: readonly Case[] = [...parameters, ...wire, ...ownHeaders, ...scopes, ...tokens].map(
  (each) => ({
    ...each,
    to: 'token',
  }),
);
