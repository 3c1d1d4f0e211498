import {
  WWWAuthenticateChallengeError,
  type AuthorizationServer,
  type ResponseBodyError,
} from 'oauth4webapi';
import { startDemo } from '../support/demo-process.js';
import { REPORTS, WEB, type Client } from './clients.js';
import { discover, LIBRARIES, validate, type Method, type StandardClient } from './libraries.js';
import { AUDIENCE, startRunningDemo, type RunningDemo } from './running-demo.js';

/** The client of logins that name none. */
const PUBLIC: Client = { id: 'default' };
/** seconds; much longer than the leeway and a request take together */
const LONG_AFTER = 60;

const LIBRARY_NAMES = Object.keys(LIBRARIES) as (keyof typeof LIBRARIES)[];

describe.each(['express', 'fastify'] as const)('the running demo, on %s,', (adapter) => {
  let demo: RunningDemo;
  let server: AuthorizationServer;
  beforeAll(async () => {
    demo = await startRunningDemo(adapter);
    server = await discover(demo.issuer);
  }, 120_000);
  afterAll(() => demo?.stop());

  /** An error of either library's own class for it. */
  const refused = (status: number, error: string) => ({ name: 'ResponseBodyError', status, error });
  /** The same of a client that is unknown: challenged where it tried the header, and where services alone ask. */
  const unknown = (isChallenged: boolean) =>
    isChallenged
      ? { name: WWWAuthenticateChallengeError.name, status: 401, cause: [{ scheme: 'basic' }] }
      : refused(401, 'invalid_client');
  const isAlive = async (client: StandardClient, refreshToken: string): Promise<boolean> =>
    client.refresh(refreshToken).then(
      () => true,
      () => false,
    );

  test('says of itself what RFC 8414 has it say', async () => {
    expect(server).toMatchObject({
      issuer: demo.issuer,
      token_endpoint: `${demo.issuer}/oauth/token`,
      revocation_endpoint: `${demo.issuer}/oauth/revoke`,
      introspection_endpoint: `${demo.issuer}/oauth/introspect`,
      grant_types_supported: ['refresh_token'],
      token_endpoint_auth_methods_supported: ['none', 'client_secret_basic', 'client_secret_post'],
    });
    await expect(discover(demo.issuer.replace('localhost', '127.0.0.1'))).rejects.toThrow('"issuer"');
  });

  test('issues access tokens that pass RFC 9068, with the keys its metadata lead to', async () => {
    const login = await demo.logIn(WEB);
    const claims = await validate(server, login.access_token, AUDIENCE);
    expect(claims).toMatchObject({ iss: demo.issuer, client_id: WEB.id, sid: login.sid, name: 'alice' });
    await expect(validate(server, login.access_token, 'https://other.test')).rejects.toThrow('"aud"');
  });

  describe.each(
    LIBRARY_NAMES.flatMap((library) => [
      { library, method: 'none' as Method, who: PUBLIC },
      { library, method: 'client_secret_basic' as Method, who: WEB },
      { library, method: 'client_secret_post' as Method, who: WEB },
    ]),
  )('for $library by $method', ({ library, method, who }) => {
    let client: StandardClient;
    beforeAll(async () => {
      client = await LIBRARIES[library](demo.issuer, who, method);
    });

    test('a refresh gets tokens that are good, and the next refresh as well', async () => {
      const login = await demo.logIn(who);
      const first = await client.refresh(login.refresh_token);
      expect(first.refreshToken).not.toBe(login.refresh_token);
      expect(first.expiresIn).toBeGreaterThan(0);
      expect(await demo.me(first.accessToken)).toBe(200);
      await demo.database.passTime(LONG_AFTER);
      const second = await client.refresh(first.refreshToken!);
      expect(second.refreshToken).not.toBe(first.refreshToken);
      const claims = await validate(server, second.accessToken, AUDIENCE);
      expect(claims).toMatchObject({ client_id: who.id, sid: login.sid });
    });

    test('a refresh whose answer was lost is repeated and gets the same refresh token', async () => {
      const { refresh_token: token } = await demo.logIn(who);
      const [first, again] = [await client.refresh(token), await client.refresh(token)];
      expect(again.refreshToken).toBe(first.refreshToken);
    });

    test('a narrower scope is that of the access token alone', async () => {
      const login = await demo.logIn(who, 'read write');
      const narrow = await client.refresh(login.refresh_token, { scope: 'read' });
      expect(narrow.scope).toBe('read');
      const claims = await validate(server, narrow.accessToken, AUDIENCE);
      expect(claims.scope).toBe('read');
      expect((await client.refresh(narrow.refreshToken!)).scope).toBe('read write');
    });

    test('a wider scope is invalid_scope, and nothing is spent', async () => {
      const login = await demo.logIn(who, 'read write');
      const wider = client.refresh(login.refresh_token, { scope: 'read admin' });
      await expect(wider).rejects.toMatchObject(refused(400, 'invalid_scope'));
      expect(await isAlive(client, login.refresh_token)).toBe(true);
    });

    test('a refresh token that was stolen is invalid_grant, and so is what came of it', async () => {
      const login = await demo.logIn(who);
      const rotated = await client.refresh(login.refresh_token);
      await demo.database.passTime(LONG_AFTER);
      await expect(client.refresh(login.refresh_token)).rejects.toMatchObject(refused(400, 'invalid_grant'));
      await expect(client.refresh(rotated.refreshToken!)).rejects.toMatchObject(
        refused(400, 'invalid_grant'),
      );
      expect(await demo.me(rotated.accessToken)).toBe(401);
    });

    test.each([
      { of: 'refresh_token', hint: undefined },
      { of: 'access_token', hint: undefined },
      { of: 'refresh_token', hint: 'access_token' },
      { of: 'access_token', hint: 'access_token' },
    ] as const)(
      'revoking the $of ends the session, and may be repeated; hint $hint',
      async ({ of, hint }) => {
        const login = await demo.logIn(who);
        await client.revoke(login[of], hint);
        expect(await isAlive(client, login.refresh_token)).toBe(false);
        expect(await demo.me(login.access_token)).toBe(401);
        await client.revoke(login[of], hint);
      },
    );

    test('revoking what is no token is no error', async () => {
      await expect(client.revoke('garbage')).resolves.toBeUndefined();
    });

    test('tokens of another client are of no use to it, and are not harmed', async () => {
      const other = who === WEB ? PUBLIC : WEB;
      const login = await demo.logIn(other);
      const owner = await LIBRARIES[library](
        demo.issuer,
        other,
        other === WEB ? 'client_secret_basic' : 'none',
      );
      await expect(client.refresh(login.refresh_token)).rejects.toMatchObject(refused(400, 'invalid_grant'));
      for (const token of [login.refresh_token, login.access_token]) {
        const outcome = await client.revoke(token).catch(({ error }: ResponseBodyError) => error);
        // Who has proved nothing is told nothing.
        expect(outcome).toBe(who === WEB ? 'invalid_grant' : undefined);
      }
      expect(await isAlive(owner, login.refresh_token)).toBe(true);
      expect(await demo.me(login.access_token)).toBe(200);
    });

    if (who === WEB) {
      test('introspects its own tokens, and no others', async () => {
        const login = await demo.logIn(who);
        expect(await client.introspect(login.access_token)).toMatchObject({
          active: true,
          token_type: 'Bearer',
          iss: demo.issuer,
          client_id: who.id,
          sid: login.sid,
        });
        expect(await client.introspect(login.refresh_token)).toMatchObject({
          active: true,
          client_id: who.id,
        });
        await client.revoke(login.refresh_token);
        const foreign = await demo.logIn(PUBLIC);
        for (const { access_token, refresh_token } of [login, foreign]) {
          expect(await client.introspect(access_token)).toEqual({ active: false });
          expect(await client.introspect(refresh_token)).toEqual({ active: false });
        }
      });

      test('with a wrong secret it is told so, and nothing is spent', async () => {
        const login = await demo.logIn(who);
        const impostor = await LIBRARIES[library](demo.issuer, { ...who, secret: REPORTS.secret! }, method);
        const told = unknown(method === 'client_secret_basic');
        await expect(impostor.refresh(login.refresh_token)).rejects.toMatchObject(told);
        await expect(impostor.revoke(login.refresh_token)).rejects.toMatchObject(told);
        await expect(impostor.introspect(login.access_token)).rejects.toMatchObject(unknown(true));
        expect(await isAlive(client, login.refresh_token)).toBe(true);
      });
    } else {
      test('may not introspect, since its name is no secret', async () => {
        const login = await demo.logIn(who);
        await expect(client.introspect(login.access_token)).rejects.toThrow(WWWAuthenticateChallengeError);
      });
    }
  });

  describe.each(LIBRARY_NAMES)('for a resource server, by %s,', (library) => {
    test.each(['client_secret_basic', 'client_secret_post'] as const)(
      'by %s: access tokens of all clients may be introspected, refresh tokens not',
      async (method) => {
        const reports = await LIBRARIES[library](demo.issuer, REPORTS, method);
        for (const client of [PUBLIC, WEB]) {
          const login = await demo.logIn(client);
          expect(await reports.introspect(login.access_token)).toMatchObject({
            active: true,
            client_id: client.id,
            sid: login.sid,
          });
          expect(await reports.introspect(login.refresh_token)).toEqual({ active: false });
          const told = unknown(method === 'client_secret_basic');
          await expect(reports.refresh(login.refresh_token)).rejects.toMatchObject(told);
        }
      },
    );
  });
});

test.each([{ CLIENT_ID: 'web' }, { CLIENT_SECRET: WEB.secret! }])(
  'a demo that is told half of a client does not start: %j',
  async (half) => {
    await expect(startDemo(half)).rejects.toThrow('CLIENT_ID and CLIENT_SECRET must be set together');
  },
);
