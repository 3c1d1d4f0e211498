import { randomUUID } from 'node:crypto';
import { decodeJwt } from 'jose';
import type { TokenPair } from 'nestjs-token-family';
import { me, refresh, send, type Answer } from './support/http.js';
import { onBothAdapters } from './support/on-both-adapters.js';
import { options } from './support/node.js';

const INVALID_GRANT = {
  error: 'invalid_grant',
  error_description: 'The grant is invalid, expired or revoked',
};

onBothAdapters(
  {
    options: options({
      clients: [{ id: 'another' }],
      refreshToken: { ...options().refreshToken, lifetime: '2d', idleLifetime: '1d' },
    }),
  },
  (fixture) => {
    const issue = (): Promise<TokenPair> => fixture.node.tokens.issue('alice', { scope: 'read write' });
    const passTime = (seconds: number): Promise<void> => fixture.database.passTime(seconds);
    const refreshTokenOf = (answer: Answer): string => String(answer.body['refresh_token']);

    function expectRefused(answer: Answer): void {
      expect(answer.status).toBe(400);
      expect(answer.body).toEqual(INVALID_GRANT);
      expect(answer.headers.get('cache-control')).toBe('no-store');
      expect(answer.headers.get('set-cookie')).toBeNull();
    }

    test.each(['json', 'form'] as const)(
      'a refresh as %s gets a token response of RFC 6749',
      async (encoding) => {
        const pair = await issue();
        const answer = await send(`${fixture.node.url}/auth/refresh`, {
          [encoding]: { refresh_token: pair.refreshToken },
        });
        expect(answer.status).toBe(200);
        expect(answer.headers.get('cache-control')).toBe('no-store');
        expect(answer.body).toEqual({
          access_token: expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+$/),
          token_type: 'Bearer',
          expires_in: expect.any(Number),
          refresh_token: expect.stringMatching(/^rt1_[\w-]{92}$/),
          refresh_expires_in: 86_400,
          scope: 'read write',
          sid: pair.sid,
        });
        expect((await me(fixture.node, String(answer.body['access_token']))).body).toMatchObject({
          sub: 'alice',
          sid: pair.sid,
        });
      },
    );

    test('an access token lives between 80 and 100 percent of its lifetime, as the answer says', async () => {
      const { accessToken, expiresIn } = await issue();
      const { exp, iat } = decodeJwt(accessToken);
      expect(exp! - iat!).toBe(expiresIn);
      expect(expiresIn).toBeGreaterThanOrEqual(240);
      expect(expiresIn).toBeLessThanOrEqual(300);
    });

    test('no token outlives the absolute end of its family', async () => {
      const pair = await issue();
      await passTime(86_350);
      const rotated = await refresh(fixture.node, pair.refreshToken);
      await passTime(86_350);
      const last = await refresh(fixture.node, refreshTokenOf(rotated));
      expect(last.body['refresh_expires_in']).toBeLessThanOrEqual(100);
      expect(last.body['expires_in']).toBeLessThanOrEqual(100);
      await passTime(101);
      expectRefused(await refresh(fixture.node, refreshTokenOf(last)));
    });

    test('a repeat within the leeway gets the identical refresh token', async () => {
      const pair = await issue();
      const first = await refresh(fixture.node, pair.refreshToken);
      const again = await refresh(fixture.node, pair.refreshToken);
      expect(refreshTokenOf(again)).toBe(refreshTokenOf(first));
      expect((await refresh(fixture.node, refreshTokenOf(first))).body['refresh_token']).toBe(
        refreshTokenOf(first),
      );
    });

    test('a late repeat ends the family and no other: every token of it is refused', async () => {
      const pair = await issue();
      const other = await issue();
      const rotated = await refresh(fixture.node, pair.refreshToken);
      await passTime(11);
      expectRefused(await refresh(fixture.node, pair.refreshToken));
      expectRefused(await refresh(fixture.node, refreshTokenOf(rotated)));
      expect((await me(fixture.node, String(rotated.body['access_token']))).status).toBe(401);
      expect((await me(fixture.node, other.accessToken)).status).toBe(200);
      expect((await refresh(fixture.node, other.refreshToken)).status).toBe(200);
      expect(
        fixture.node.events.filter(({ type, sid }) => type === 'reused' && sid === pair.sid),
      ).toHaveLength(1);
    });

    test.each([
      ['as it is', (key: string) => key],
      ['in the quotes of a structured field', (key: string) => `"${key}"`],
    ])('a late repeat with its Idempotency-Key %s gets the identical refresh token', async (_, quoted) => {
      const pair = await issue();
      const key = randomUUID();
      const first = await refresh(fixture.node, pair.refreshToken, { 'idempotency-key': key });
      await passTime(3 * 3600);
      const again = await refresh(fixture.node, pair.refreshToken, { 'idempotency-key': quoted(key) });
      expect(again.status).toBe(200);
      expect(refreshTokenOf(again)).toBe(refreshTokenOf(first));
    });

    test('a late repeat with another Idempotency-Key is reuse', async () => {
      const pair = await issue();
      await refresh(fixture.node, pair.refreshToken, { 'idempotency-key': randomUUID() });
      await passTime(11);
      expectRefused(await refresh(fixture.node, pair.refreshToken, { 'idempotency-key': randomUUID() }));
      expect(fixture.node.events.some(({ type, sid }) => type === 'reused' && sid === pair.sid)).toBe(true);
    });

    test('a key that obtained a token cannot spend it, and nothing is lost', async () => {
      const pair = await issue();
      const headers = { 'idempotency-key': randomUUID() };
      const rotated = await refresh(fixture.node, pair.refreshToken, headers);
      await passTime(11);
      const answer = await refresh(fixture.node, refreshTokenOf(rotated), headers);
      expect(answer.status).toBe(422);
      expect(answer.body['error']).toBe('invalid_request');
      expect((await refresh(fixture.node, refreshTokenOf(rotated))).status).toBe(200);
    });

    test.each(['too-short', 'x'.repeat(129), 'with a space in the middle'])(
      'the Idempotency-Key %j is an invalid request that spends nothing',
      async (key) => {
        const pair = await issue();
        const answer = await refresh(fixture.node, pair.refreshToken, { 'idempotency-key': key });
        expect(answer.status).toBe(400);
        expect(answer.body['error']).toBe('invalid_request');
        expect((await refresh(fixture.node, pair.refreshToken)).status).toBe(200);
      },
    );

    test('a grandparent is reuse, even within the leeway', async () => {
      const pair = await issue();
      const second = await refresh(fixture.node, pair.refreshToken);
      await passTime(11);
      await refresh(fixture.node, refreshTokenOf(second));
      expectRefused(await refresh(fixture.node, pair.refreshToken));
      expectRefused(await refresh(fixture.node, refreshTokenOf(second)));
    });

    test.each([
      ['idle', 86_400],
      ['absolute', 2 * 86_400],
    ])('a token past its %s end is refused, and not taken for reuse', async (_, seconds) => {
      const pair = await issue();
      await passTime(seconds);
      expectRefused(await refresh(fixture.node, pair.refreshToken));
      expect(fixture.node.events.some(({ type, sid }) => type === 'reused' && sid === pair.sid)).toBe(false);
    });

    test('another client is refused, and cannot hurt the family', async () => {
      const pair = await issue();
      const json = { refresh_token: pair.refreshToken, client_id: 'another' };
      expectRefused(await send(`${fixture.node.url}/auth/refresh`, { json }));
      expect((await refresh(fixture.node, pair.refreshToken)).status).toBe(200);
    });

    test('a refresh that names another session is a mismatch that spends nothing', async () => {
      const pair = await issue();
      const other = await issue();
      const json = { refresh_token: pair.refreshToken, sid: other.sid };
      const answer = await send(`${fixture.node.url}/auth/refresh`, { json });
      expect(answer.status).toBe(409);
      expect(answer.body['error']).toBe('session_mismatch');
      const named = await send(`${fixture.node.url}/auth/refresh`, { json: { ...json, sid: pair.sid } });
      expect(named.status).toBe(200);
    });

    test.each([
      [{}],
      [{ refresh_token: 1 }],
      [{ refresh_token: ['a', 'b'] }],
      [{ refresh_token: null }],
      [[]],
    ])('the body %j is an invalid request', async (json) => {
      const answer = await send(`${fixture.node.url}/auth/refresh`, { json });
      expect(answer.status).toBe(400);
      expect(answer.body['error']).toBe('invalid_request');
    });

    test('a form that names the token twice is an invalid request', async () => {
      const { refreshToken } = await issue();
      const form = `refresh_token=${refreshToken}&refresh_token=${refreshToken}`;
      const answer = await send(`${fixture.node.url}/auth/refresh`, { form });
      expect(answer.status).toBe(400);
      expect(answer.body['error']).toBe('invalid_request');
      expect((await refresh(fixture.node, refreshToken)).status).toBe(200);
    });

    test('a refresh is a POST, with the token never in the address', async () => {
      const { refreshToken } = await issue();
      expect((await send(`${fixture.node.url}/auth/refresh?refresh_token=${refreshToken}`)).status).toBe(404);
      const inAddress = await send(`${fixture.node.url}/auth/refresh?refresh_token=${refreshToken}`, {
        json: {},
      });
      expect(inAddress.body['error']).toBe('invalid_request');
    });
  },
);
