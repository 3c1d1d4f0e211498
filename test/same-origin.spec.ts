import * as fc from 'fast-check';
import { InvalidRequestError } from '../libs/auth/src/core/errors.js';
import { isOrigin } from '../libs/auth/src/core/origin.js';
import type { HttpRequest } from '../libs/auth/src/access/http-request.js';
import { assertSameOrigin } from '../libs/auth/src/http/same-origin.js';

const APP = 'https://app.example.com';
const API = 'https://api.example.com';
const HOST = 'api.example.com';
const NULL = 'null';

type Headers = Record<string, string | string[] | undefined>;

function mayUseCookie(headers: Headers, rest: Partial<HttpRequest> = {}, origins = [APP]): boolean {
  try {
    assertSameOrigin({ method: 'POST', headers, ...rest }, origins);
    return true;
  } catch (error) {
    if (!(error instanceof InvalidRequestError)) throw error;
    if (error.status !== 403 || error.code !== 'ERR_ORIGIN_REFUSED') throw error;
    return false;
  }
}

describe('what the browser says of the page', () => {
  test.each<[site: string | undefined, origin: string | undefined, host: string, passes: boolean]>([
    // The browser vouches, whatever a proxy has made of Host.
    ['same-origin', API, HOST, true],
    ['same-origin', API, 'node-3.internal:3000', true],
    ['same-origin', undefined, HOST, true],
    ['same-origin', NULL, HOST, false],
    // Any other page has to be listed, this server's own host or not.
    ['same-site', APP, HOST, true],
    ['same-site', API, HOST, false],
    ['same-site', 'https://evil.example.com', HOST, false],
    ['same-site', undefined, HOST, false],
    ['same-site', `${APP}.evil.test`, HOST, false],
    ['same-site', `${APP}:8443`, HOST, false],
    ['cross-site', APP.replace('https', 'http'), HOST, false],
    ['cross-site', APP, HOST, true],
    ['cross-site', 'https://evil.test', HOST, false],
    ['cross-site', API, HOST, false],
    ['cross-site', undefined, HOST, false],
    ['cross-site', NULL, HOST, false],
    ['none', undefined, HOST, false],
    ['none', APP, HOST, true],
    ['a-word-of-the-future', APP, HOST, true],
    ['a-word-of-the-future', API, HOST, false],
    // Malformed, or sent twice.
    ['', APP, HOST, false],
    ['Same-Origin', API, HOST, false],
    ['same-origin;a=b', API, HOST, false],
    ['same-origin, same-origin', API, HOST, false],
    ['cross-site, same-origin', APP, HOST, false],
    ['"same-origin"', API, HOST, false],
    // Older browsers, and what is none.
    [undefined, undefined, HOST, true],
    [undefined, APP, HOST, true],
    [undefined, API, HOST, true],
    [undefined, NULL, HOST, false],
    [undefined, 'https://evil.test', HOST, false],
  ])('Sec-Fetch-Site: %s, Origin: %s, Host: %s: %s', (site, origin, host, passes) => {
    expect(mayUseCookie({ 'sec-fetch-site': site, origin, host })).toBe(passes);
  });
});

describe('where the browser says nothing, Origin is compared with Host', () => {
  test.each<[origin: string, host: string | undefined, passes: boolean]>([
    ['https://api.example.com', 'API.Example.COM', true],
    ['https://api.example.com', 'api.example.com:443', true],
    ['http://api.example.com', 'api.example.com:80', true],
    ['http://localhost:3000', 'localhost:3000', true],
    ['https://api.example.com:8443', 'api.example.com:8443', true],
    ['http://[::1]:3000', '[::1]:3000', true],
    ['http://127.0.0.1:3000', '127.0.0.1:3000', true],
    ['https://api.example.com.', 'api.example.com.', true],
    ['https://xn--bcher-kva.example', 'xn--bcher-kva.example', true],
    // another port, the other scheme's port, none
    ['https://api.example.com:8443', 'api.example.com', false],
    ['https://api.example.com', 'api.example.com:8443', false],
    ['https://api.example.com', 'api.example.com:80', false],
    ['http://api.example.com', 'api.example.com:443', false],
    ['https://api.example.com', 'api.example.com:', false],
    ['https://api.example.com', 'api.example.com:0443', true],
    ['https://api.example.com', 'api.example.com:65979', false],
    // look-alikes
    ['https://api.example.com.evil.test', 'api.example.com', false],
    ['https://evil-api.example.com', 'api.example.com', false],
    ['https://example.com', 'api.example.com', false],
    ['https://api.example.com.', 'api.example.com', false],
    // what URL would make a host of
    ['https://evil.test', 'api.example.com@evil.test', false],
    ['https://evil.test', 'evil.test/api.example.com', false],
    ['https://evil.test', 'evil.test\\@api.example.com', false],
    ['https://evil.test', 'evil.test?api.example.com', false],
    ['https://evil.test', 'evil.\ttest', false],
    ['https://evil.test', ' evil.test', false],
    ['https://evil.test', '', false],
    ['https://evil.test', undefined, false],
    // no serialised origin of the web
    ['', 'api.example.com', false],
    ['api.example.com', 'api.example.com', false],
    ['//api.example.com', 'api.example.com', false],
    ['https://api.example.com/', 'api.example.com', false],
    ['https://api.example.com:443', 'api.example.com', false],
    ['https://API.example.com', 'api.example.com', false],
    ['https://user@api.example.com', 'api.example.com', false],
    ['https://api.example.com https://evil.test', 'api.example.com', false],
    ['https://api.example.com, https://api.example.com', 'api.example.com', false],
    ['ws://api.example.com', 'api.example.com', false],
    ['file://api.example.com', 'api.example.com', false],
    ['chrome-extension://api.example.com', 'api.example.com', false],
  ])('Origin: %s, Host: %s: %s', (origin, host, passes) => {
    expect(mayUseCookie({ origin, host })).toBe(passes);
  });

  test('what a proxy is said to have forwarded is not read', () => {
    const headers = {
      origin: 'https://evil.test',
      host: HOST,
      'x-forwarded-host': 'evil.test',
      'x-forwarded-proto': 'https',
      'x-original-host': 'evil.test',
      forwarded: 'host=evil.test;proto=https',
    };
    expect(mayUseCookie(headers)).toBe(false);
  });

  test.each<[headers: Headers, passes: boolean]>([
    [{ ':authority': HOST }, true],
    [{ ':authority': HOST, host: HOST }, true],
    [{ ':authority': 'evil.test' }, false],
    [{ ':authority': HOST, host: 'evil.test' }, false],
    [{ ':authority': 'evil.test', host: HOST }, false],
  ])('HTTP/2 names it in :authority, and in Host nothing else: %j: %s', (headers, passes) => {
    expect(mayUseCookie({ origin: API, ...headers })).toBe(passes);
  });

  test.each<[Partial<HttpRequest>]>([
    [{ rawHeaders: ['Host', HOST, 'host', 'evil.test'] }],
    [{ raw: { rawHeaders: ['HOST', HOST, 'Origin', API, 'Host', HOST] } }],
  ])('of two Host headers none counts: %j', (rest) => {
    expect(mayUseCookie({ origin: API, host: HOST }, rest)).toBe(false);
  });

  test.each([[{ origin: [API, API] }], [{ origin: API, 'sec-fetch-site': ['same-origin'] }]])(
    'a header that is a list is refused: %j',
    (headers) => {
      expect(mayUseCookie({ host: HOST, ...headers })).toBe(false);
    },
  );
});

describe('of any headers', () => {
  const host = fc.constantFrom('app.example.com', 'api.example.com', 'example.com', 'evil.test', 'localhost');
  const port = fc.constantFrom('', ':80', ':443', ':3000');
  const scheme = fc.constantFrom('https://', 'http://', 'ws://', '');
  const suffix = fc.constantFrom('', '', '', '/', '.evil.test', '@evil.test', ', null', ' ');
  const origin = fc.oneof(
    fc.constantFrom(APP, API, NULL, ''),
    fc.tuple(scheme, host, port, suffix).map((parts) => parts.join('')),
    fc.webUrl(),
    fc.string(),
  );
  const site = fc.constantFrom('same-origin', 'same-site', 'cross-site', 'none', 'other', 'a, b', '');
  const headers = fc.record(
    {
      origin,
      host: fc.oneof(
        fc.tuple(host, port).map((parts) => parts.join('')),
        fc.string(),
      ),
      'sec-fetch-site': site,
    },
    { requiredKeys: [] },
  );

  test('only a page that is listed, of this host, or vouched for passes, and never a null one', () => {
    fc.assert(
      fc.property(headers, (sent) => {
        const { origin: from, host: to = '', 'sec-fetch-site': said } = sent;
        if (!mayUseCookie(sent)) return true;
        if (from !== undefined && !isOrigin(from)) return false;
        if (from === APP || said === 'same-origin') return true;
        const isOwn = from === undefined || new URL(from).hostname === to.toLowerCase().split(':')[0];
        return said === undefined && isOwn;
      }),
      { numRuns: 5000 },
    );
  });

  test('more origins never shut anybody out, and an empty list opens nothing to other hosts', () => {
    fc.assert(
      fc.property(headers, (sent) => {
        if (!mayUseCookie(sent, {}, [])) return true;
        return mayUseCookie(sent) && sent['sec-fetch-site'] !== 'cross-site';
      }),
      { numRuns: 5000 },
    );
  });
});
