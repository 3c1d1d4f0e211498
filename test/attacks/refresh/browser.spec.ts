import { send } from '../../support/http.js';
import { ask } from '../wire.js';
import { byCookie, expectUnspent, onBothRefreshing, present, rowOf, told } from './fixture.js';

const COOKIE = '__Host-refresh_token';

onBothRefreshing(
  (world) => {
    const url = (path: string) => `${world.nodes[0].url}${path}`;
    const own = () => new URL(world.nodes[0].url).origin;

    test.each(['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x'])(
      'R22 a form of another site, sent as %s, is refused for what it is, and spends and ends nothing',
      async (type) => {
        const { refreshToken } = world.pair;
        await expectUnspent(world, async () => {
          for (const path of ['/auth/refresh', '/auth/logout']) {
            for (const body of ['a=b', 'x-token-carrier=cookie']) {
              const headers = {
                'content-type': type,
                cookie: `${COOKIE}=${refreshToken}`,
                origin: 'https://attacker.example',
                'sec-fetch-site': 'cross-site',
              };
              const { status, headers: got } = await fetch(url(path), { method: 'POST', headers, body });
              expect([403, 415]).toContain(status);
              expect(got.get('set-cookie')).toBeNull();
            }
          }
        });
      },
    );

    test.each<[title: string, headers: (origin: string) => Record<string, string>]>([
      ['without the carrier header', () => ({ 'x-token-carrier': '' })],
      ['of a foreign origin', () => ({ origin: 'https://attacker.example' })],
      [
        'of a sibling that is not listed',
        (origin) => ({ origin: origin.replace('127.0.0.1', 'other.127.0.0.1') }),
      ],
      ['of a sandboxed page', () => ({ origin: 'null' })],
      ['of a sandboxed page of ours', () => ({ origin: 'null', 'sec-fetch-site': 'same-origin' })],
      ['that the browser calls cross-site', () => ({ 'sec-fetch-site': 'cross-site' })],
      ['that the browser calls same-site', () => ({ 'sec-fetch-site': 'same-site' })],
      ['that an address bar made', () => ({ 'sec-fetch-site': 'none' })],
      [
        'that the browser calls cross-site, of our own name',
        (origin) => ({ 'sec-fetch-site': 'cross-site', origin }),
      ],
    ])(
      'R23 a request with the cookie %s is refused, at every route, and spends and ends nothing',
      async (_, change) => {
        const headers = Object.fromEntries(
          Object.entries({ ...byCookie(world.pair.refreshToken), ...change(own()) }).filter(
            ([, value]) => value !== '',
          ),
        );
        await expectUnspent(world, async () => {
          for (const path of ['/auth/refresh', '/auth/logout']) {
            const answer = await send(url(path), { method: 'POST', headers });
            expect([answer.status, answer.headers.get('set-cookie')]).toEqual([403, null]);
          }
        });
      },
    );

    test('R23 a login by cookie is refused to a foreign origin as well: nobody is logged in as somebody else', async () => {
      const sent = {
        json: { subject: 'mallory' },
        headers: { 'x-token-carrier': 'cookie', origin: 'https://attacker.example' },
      };
      const answer = await send(url('/auth/login'), sent);
      expect([answer.status, answer.headers.get('set-cookie')]).toEqual([403, null]);
      expect(await world.nodes[0].tokens.sessions('mallory')).toEqual([]);
    });

    test.each<[title: string, headers: (origin: string) => Record<string, string>]>([
      ['of our own origin', (origin) => ({ origin, 'sec-fetch-site': 'same-origin' })],
      ['of our own origin, by a browser that says no more', (origin) => ({ origin })],
      ['of a listed origin', () => ({ origin: 'https://app.example.com', 'sec-fetch-site': 'same-site' })],
      ['of no browser', () => ({})],
    ])('R23 and a request with the cookie %s refreshes', async (_, headers) => {
      const answer = await send(url('/auth/refresh'), {
        method: 'POST',
        headers: byCookie(world.pair.refreshToken, headers(own())),
      });
      expect(answer.status).toBe(200);
      expect(answer.headers.get('set-cookie')).toContain(`${COOKIE}=rt1_`);
      expect(JSON.stringify(answer.body)).not.toContain('rt1_');
    });

    test.each([
      [
        'the good one first',
        (good: string, bad: string) => [['Cookie', `${COOKIE}=${good}; ${COOKIE}=${bad}`]],
      ],
      [
        'the good one last',
        (good: string, bad: string) => [['Cookie', `${COOKIE}=${bad}; ${COOKIE}=${good}`]],
      ],
      [
        'in two headers',
        (good: string, bad: string) => [
          ['Cookie', `${COOKIE}=${bad}`],
          ['Cookie', `${COOKIE}=${good}`],
        ],
      ],
      ['the same one', (good: string) => [['Cookie', `${COOKIE}=${good}; ${COOKIE}=${good}`]]],
    ])('R24 two cookies of that name, %s, are an invalid request that spends nothing', async (_, cookies) => {
      const { refreshToken } = world.pair;
      const headers = cookies(refreshToken, world.other.refreshToken) as [string, string][];
      const reply = await expectUnspent(world, () =>
        ask(world.nodes[0].url, {
          method: 'POST',
          path: '/auth/refresh',
          headers: [['X-Token-Carrier', 'cookie'], ...headers],
          body: '',
        }),
      );
      expect([reply.status, reply.headers.has('set-cookie')]).toEqual([400, false]);
    });

    test.each([
      'refresh_token',
      '__Secure-refresh_token',
      '__host-refresh_token',
      '__Host-refresh_token2',
      ' __Host_refresh_token',
    ])('R25 a cookie named %p is none of ours: not logged in', async (name) => {
      const answer = await expectUnspent(world, () =>
        send(url('/auth/refresh'), {
          method: 'POST',
          headers: { 'x-token-carrier': 'cookie', cookie: `${name}=${world.pair.refreshToken}` },
        }),
      );
      expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([401, 'Bearer realm="api"']);
    });

    test('R26 what a device is called is told as it was called, and is no header, no markup and no log line', async () => {
      const device = { user_agent: 'x\r\nSet-Cookie: a=b\u2028<script>alert(1)</script>"\\' };
      const pair = await world.nodes[0].tokens.issue('eve', { device });
      const reply = await ask(world.nodes[0].url, {
        path: '/auth/sessions',
        headers: [['Authorization', `Bearer ${pair.accessToken}`]],
      });
      expect(reply.headers.has('set-cookie')).toBe(false);
      expect(reply.headers.get('content-type')).toBe('application/json; charset=utf-8');
      expect((JSON.parse(reply.body) as { device: object }[])[0]!.device).toEqual(device);
    });

    test('R34 a login with the cookie of somebody else starts a family of its own, and leaves the other alone', async () => {
      const before = await rowOf(world, world.pair.sid);
      const answer = await send(url('/auth/login'), {
        json: { subject: 'bob' },
        headers: byCookie(world.pair.refreshToken),
      });
      expect(answer.status).toBe(200);
      expect(answer.body['sid']).not.toBe(world.pair.sid);
      expect(await rowOf(world, world.pair.sid)).toEqual(before);
      expect((await world.nodes[0].tokens.sessions('bob')).map(({ sid }) => sid)).toEqual([
        answer.body['sid'],
      ]);
      expect(told(await present(world.nodes[0], '/auth/refresh', world.pair.refreshToken))).toBe(
        '200 undefined',
      );
    });
  },
  { origins: ['https://app.example.com'] },
);
