import { RequireScope } from 'nestjs-token-family';
import { byTitle, title } from './forge.js';
import { onBoth } from './target.js';
import { expectRefusals, expectRefused, MALFORMED, NO_CREDENTIALS, NO_SCOPE, TWICE } from './verdicts.js';
import { ask, bearer, type RawRequest } from './wire.js';

const FORM = ['Content-Type', 'application/x-www-form-urlencoded'] as const;

onBoth((node) => {
  const authorization = (...values: string[]): RawRequest => ({
    headers: values.map((value) => ['Authorization', value] as const),
  });
  const form = (body: string, headers: RawRequest['headers'] = []): RawRequest => ({
    method: 'POST',
    headers: [FORM, ...headers],
    body,
  });

  test('A1 a request without credentials gets a bare challenge', async () => {
    const token = node.forge.token();
    await expectRefusals(
      node,
      {
        nothing: {},
        'an empty header': authorization(''),
        'a cookie': { headers: [['Cookie', `access_token=${token}; Authorization=Bearer ${token}`]] },
        'another header': { headers: [['X-Access-Token', token]] },
        'credentials for a proxy': { headers: [['Proxy-Authorization', `Bearer ${token}`]] },
        Basic: authorization('Basic YWxpY2U6d29uZGVybGFuZA=='),
        DPoP: authorization(`DPoP ${token}`),
        Token: authorization(`Token ${token}`),
        'the token alone': authorization(token),
        'a scheme that begins like ours': authorization(`BearerX ${token}`),
        'a scheme that ends like ours': authorization(`XBearer ${token}`),
        'a colon': authorization(`Bearer: ${token}`),
        'a tab after the scheme': authorization(`Bearer\t${token}`),
      },
      NO_CREDENTIALS,
    );
  });

  test('A39 the scheme is compared without regard to case', async () => {
    const token = node.forge.token();
    for (const scheme of ['bearer', 'BEARER', 'bEaReR']) {
      expect((await ask(node.url, authorization(`${scheme} ${token}`))).status).toBe(200);
      expect((await ask(node.url, authorization(`${scheme} ${token}  `))).status).toBe(200);
    }
  });

  test('A39 credentials that are no scheme and one token are a malformed request', async () => {
    const token = node.forge.token();
    const values = ['Bearer', 'bearer', 'Bearer a b', 'Bearer a,b', 'Bearer =', 'Bearer {}', 'Bearer ;'];
    const ours = [
      `Bearer  ${token}`,
      `Bearer ${token} x`,
      `Bearer x ${token}`,
      `Bearer ${token}, Bearer ${token}`,
    ];
    const requests = [
      ...values,
      ...ours,
      `Bearer Bearer ${token}`,
      `Bearer token=${token}`,
      `Bearer realm="api"`,
    ];
    await expectRefusals(
      node,
      byTitle(requests.map((value) => [title(value), authorization(value)])),
      MALFORMED,
    );
  });

  test('A40 two tokens, whichever way they come, are one too many', async () => {
    const [one, two] = [node.forge.token(), node.control];
    await expectRefusals(
      node,
      {
        'two headers': authorization(`Bearer ${one}`, `Bearer ${two}`),
        'one header twice': authorization(`Bearer ${one}`, `Bearer ${one}`),
        'a good one before a bad one': authorization(`Bearer ${one}`, 'Bearer x'),
        'another scheme after it': authorization(`Bearer ${one}`, 'Basic YTpi'),
        'another scheme before it': authorization('Basic YTpi', `Bearer ${one}`),
        'names in two cases': { headers: [bearer(one), ['AUTHORIZATION', `Bearer ${two}`]] },
        query: { ...authorization(`Bearer ${one}`), path: `/me?access_token=${one}` },
        'query, of several': { ...authorization(`Bearer ${one}`), path: `/me?a=b&access_token=x` },
        'query, in escapes': { ...authorization(`Bearer ${one}`), path: '/me?%61ccess%5Ftoken=x' },
        'query, of no value': { ...authorization(`Bearer ${one}`), path: '/me?access_token' },
        form: form(`access_token=${one}`, [bearer(one)]),
        'form with another token': form(`a=b&access_token=${two}`, [bearer(one)]),
        'form in another spelling of its type': {
          method: 'POST',
          headers: [bearer(one), ['Content-Type', 'Application/X-WWW-Form-Urlencoded; charset=UTF-8']],
          body: `access_token=${one}`,
        },
      },
      TWICE,
    );
  });

  test('A40 a token in the query or in a form is none', async () => {
    const token = node.forge.token();
    // In JSON, and in other names of a query, it is the application's to use.
    const elsewhere = { headers: [bearer(token)], path: '/me?my_access_token=x&a=access_token%3Dx' };
    expect((await ask(node.url, elsewhere)).status).toBe(200);
    await expectRefusals(
      node,
      {
        query: { path: `/me?access_token=${token}` },
        'query in escapes': { path: `/me?access%5Ftoken=${token}` },
        'query named as the header': { path: `/me?authorization=Bearer%20${token}` },
        form: form(`access_token=${token}`),
        json: {
          method: 'POST',
          headers: [['Content-Type', 'application/json']],
          body: JSON.stringify({ access_token: token, headers: { authorization: `Bearer ${token}` } }),
        },
      },
      NO_CREDENTIALS,
    );
  });

  test('no text of a request comes back in a challenge', async () => {
    const evil = `evil", scope="admin", x="`;
    const claims = { scope: `${evil}\r\nSet-Cookie: a=b`, iss: evil };
    const refused = { kid: node.forge.token({ header: { kid: evil } }), iss: node.forge.token({ claims }) };
    await expectRefused(node, refused);
    const scoped = node.forge.token({ claims: { scope: claims.scope } });
    await expectRefusals(
      node,
      { scope: { path: `/admin?${encodeURIComponent(evil)}`, headers: [bearer(scoped)] } },
      NO_SCOPE,
    );
    for (const word of ['a"b', 'a\\b', 'a b', 'a\r\nb', 'é', ''])
      expect(() => RequireScope(word)).toThrow(TypeError);
  });
});
