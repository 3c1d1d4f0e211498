import { randomBytes } from 'node:crypto';
import { connectionsTaken } from '../../support/connections.js';
import { send } from '../../support/http.js';
import {
  byCookie,
  DOORS,
  expectUnspent,
  INVALID_GRANT,
  onBothRefreshing,
  present,
  refusalOf,
  told,
} from './fixture.js';

const bytesOf = (token: string) => Buffer.from(token.slice(4), 'base64url');
const textOf = (bytes: Buffer) => `rt1_${bytes.toString('base64url')}`;

onBothRefreshing((world) => {
  const quiet = async (work: () => Promise<unknown>) =>
    expect(await connectionsTaken(world.nodes[0], work)).toBe(0);

  describe.each(DOORS)('%s', (door) => {
    test('R1 no token is an invalid request', async () => {
      const form = { grant_type: 'refresh_token', client_id: 'default' };
      const answer = await send(`${world.nodes[0].url}${door}`, { form });
      expect([told(answer), answer.headers.get('cache-control')]).toEqual([
        '400 invalid_request',
        'no-store',
      ]);
    });

    test('R2 what has not our form or not our tag is an invalid grant, costs no query and hurts nobody', async () => {
      const { refreshToken } = world.pair;
      const forged: [title: string, token: string][] = [
        ['256 random bits', randomBytes(32).toString('base64url')],
        [
          'our shape, random within',
          textOf(Buffer.concat([bytesOf(refreshToken).subarray(0, 1), randomBytes(68)])),
        ],
        [
          'our token, the tag another',
          textOf(Buffer.concat([bytesOf(refreshToken).subarray(0, 53), randomBytes(16)])),
        ],
        ['truncated', refreshToken.slice(0, -1)],
        ['prolonged', `${refreshToken}A`],
        ['letters of elsewhere', 'rt1_' + 'й'.repeat(92)],
        ['8,000 letters', 'A'.repeat(7900)],
      ];
      await expectUnspent(world, () =>
        quiet(async () => {
          const answers = await Promise.all(
            forged.map(async ([title, token]) => [
              title,
              refusalOf(await present(world.nodes[0], door, token)),
            ]),
          );
          expect(answers).toEqual(forged.map(([title]) => [title, INVALID_GRANT]));
        }),
      );
    });

    test('R2 a body of a megabyte is too large, whatever is in it', async () => {
      await expectUnspent(world, () =>
        quiet(async () => {
          const { status } = await fetch(`${world.nodes[0].url}${door}`, {
            method: 'POST',
            headers: { 'content-type': 'application/x-www-form-urlencoded' },
            body: `grant_type=refresh_token&refresh_token=${'A'.repeat(2 ** 20)}`,
          });
          expect(status).toBe(413);
        }),
      );
    });

    test('R3 one bit flipped anywhere is an invalid grant, and the token itself is unhurt', async () => {
      const bytes = bytesOf(world.pair.refreshToken);
      await expectUnspent(world, () =>
        quiet(async () => {
          const answers = await Promise.all(
            Array.from(bytes, async (byte, at) => {
              const flipped = Buffer.from(bytes);
              flipped[at] = byte ^ (1 << (at % 8));
              return refusalOf(await present(world.nodes[0], door, textOf(flipped)));
            }),
          );
          expect(answers).toEqual(answers.map(() => INVALID_GRANT));
          expect(answers).toHaveLength(69);
        }),
      );
    });

    test('R4 the same bytes written another way are no token', async () => {
      const { refreshToken } = world.pair;
      const [prefix, rest] = [refreshToken.slice(0, 4), refreshToken.slice(4)];
      const variants = [
        `${refreshToken}=`,
        `${refreshToken}==`,
        ` ${refreshToken}`,
        `${refreshToken}\n`,
        prefix.toUpperCase() + rest,
        prefix + rest.toLowerCase(),
        prefix + bytesOf(refreshToken).toString('hex'),
        prefix + `${rest.slice(0, 40)}\r\n${rest.slice(40)}`,
        prefix + rest.replaceAll('-', '+').replaceAll('_', '/') + (/[-_]/.test(rest) ? '' : '='),
      ];
      await expectUnspent(world, async () => {
        for (const variant of variants)
          expect([variant, refusalOf(await present(world.nodes[0], door, variant))]).toEqual([
            variant,
            INVALID_GRANT,
          ]);
      });
    });

    test('R5 an access token, or any other JWT, is no refresh token', async () => {
      const jwt = ['{"alg":"none"}', '{"sub":"alice"}', '']
        .map((part) => Buffer.from(part).toString('base64url'))
        .join('.');
      await expectUnspent(world, () =>
        quiet(async () => {
          for (const token of [world.pair.accessToken, jwt])
            expect(refusalOf(await present(world.nodes[0], door, token))).toEqual(INVALID_GRANT);
        }),
      );
    });

    test.each([['idle_expires_at'], ['expires_at']])(
      'R6 a token is good until the moment of %s on the clock of the database, and not from then on',
      async (column) => {
        const end = (when: string) =>
          world.database.query(
            `update refresh_token set ${column} = clock_timestamp() + $2::interval where family_id = $1`,
            [world.pair.sid, when],
          );
        await end('0 ms');
        expect(refusalOf(await present(world.nodes[0], door, world.pair.refreshToken))).toEqual(
          INVALID_GRANT,
        );
        // Nothing was written: as soon as it is not over, it goes on.
        await end('20 s');
        expect((await present(world.nodes[1], door, world.pair.refreshToken)).status).toBe(200);
      },
    );
  });

  test.each<[title: string, value: unknown]>([
    ['a list', ['rt1_']],
    ['an object', { refresh_token: 'rt1_' }],
    ['a number', 7],
    ['null', null],
  ])('R2 %s in place of a text is an invalid request, and costs no query', async (_, value) => {
    await expectUnspent(world, () =>
      quiet(async () => {
        const answer = await send(`${world.nodes[0].url}/auth/refresh`, { json: { refresh_token: value } });
        expect(told(answer)).toBe('400 invalid_request');
      }),
    );
  });

  test('R1 with the cookie carrier and no cookie the answer is a bare challenge', async () => {
    const answer = await send(`${world.nodes[0].url}/auth/refresh`, {
      method: 'POST',
      headers: { 'x-token-carrier': 'cookie' },
    });
    expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([401, 'Bearer realm="api"']);
    expect(answer.headers.get('set-cookie')).toBeNull();
  });

  test('R6 an end that has come is the same for a cookie, which is then taken back', async () => {
    await world.database.query(
      'update refresh_token set expires_at = clock_timestamp() where family_id = $1',
      [world.pair.sid],
    );
    const answer = await send(`${world.nodes[0].url}/auth/refresh`, {
      method: 'POST',
      headers: byCookie(world.pair.refreshToken),
    });
    expect(told(answer)).toBe('400 invalid_grant');
    expect(answer.headers.get('set-cookie')).toContain('Max-Age=0');
  });
});
