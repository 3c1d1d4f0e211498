import { randomUUID } from 'node:crypto';
import type { TokenPair } from 'nestjs-token-family';
import { me, refresh, send, type Answer } from './support/http.js';
import { onBothAdapters } from './support/on-both-adapters.js';

onBothAdapters({}, (fixture) => {
  const url = (path: string): string => `${fixture.node.url}/auth/${path}`;
  const bearer = (pair: TokenPair): Record<string, string> => ({
    authorization: `Bearer ${pair.accessToken}`,
  });
  const login = (subject: string): Promise<TokenPair> =>
    fixture.node.tokens.issue(subject, { device: { name: 'phone' } });
  const end = (pair: TokenPair, path: string): Promise<Answer> =>
    send(url(path), { method: 'DELETE', headers: bearer(pair) });
  const isAlive = async (pair: TokenPair): Promise<boolean[]> => [
    (await me(fixture.node, pair.accessToken)).status === 200,
    (await refresh(fixture.node, pair.refreshToken)).status === 200,
  ];

  test('the list holds the living sessions of the subject, newest first, and no time of use for the current one', async () => {
    const subject = randomUUID();
    const [older, current] = [await login(subject), await login(subject)];
    await login(randomUUID());
    const { status, body } = await send(url('sessions'), { headers: bearer(current) });
    expect(status).toBe(200);
    expect(body).toEqual([
      {
        sid: current.sid,
        current: true,
        issued_at: expect.any(String),
        expires_at: expect.any(String),
        device: { name: 'phone' },
      },
      {
        sid: older.sid,
        current: false,
        issued_at: expect.any(String),
        last_used_at: expect.stringMatching(/:00:00\.000Z$/),
        expires_at: expect.any(String),
        device: { name: 'phone' },
      },
    ]);
  });

  test('a subject ends one of its own sessions, and the others live', async () => {
    const subject = randomUUID();
    const [mine, other] = [await login(subject), await login(subject)];
    expect((await end(mine, `sessions/${other.sid}`)).status).toBe(204);
    expect(await isAlive(other)).toEqual([false, false]);
    expect(await isAlive(mine)).toEqual([true, true]);
  });

  test.each([
    ["another subject's", async (): Promise<string> => (await login(randomUUID())).sid],
    ['an unknown', async (): Promise<string> => randomUUID()],
    ['a malformed', async (): Promise<string> => 'no-uuid'],
  ])('%s session is not found', async (_, sidOf) => {
    const answer = await end(await login(randomUUID()), `sessions/${await sidOf()}`);
    expect(answer.status).toBe(404);
    expect(answer.body).toEqual({ error: 'not_found', error_description: 'No such session' });
  });

  test('a session that was not found is still alive', async () => {
    const victim = await login(randomUUID());
    await end(await login(randomUUID()), `sessions/${victim.sid}`);
    expect(await isAlive(victim)).toEqual([true, true]);
  });

  test('a subject ends all its sessions but the current one', async () => {
    const subject = randomUUID();
    const [current, other, stranger] = [
      await login(subject),
      await login(subject),
      await login(randomUUID()),
    ];
    expect((await end(current, 'sessions')).status).toBe(204);
    expect(await isAlive(other)).toEqual([false, false]);
    expect(await isAlive(current)).toEqual([true, true]);
    expect(await isAlive(stranger)).toEqual([true, true]);
  });

  test('a subject ends all its sessions, the current one included', async () => {
    const subject = randomUUID();
    const [current, other] = [await login(subject), await login(subject)];
    expect((await end(current, 'sessions?include=current')).status).toBe(204);
    expect(await isAlive(current)).toEqual([false, false]);
    expect(await isAlive(other)).toEqual([false, false]);
  });

  test('an unknown include is an invalid request that ends nothing', async () => {
    const current = await login(randomUUID());
    expect((await end(current, 'sessions?include=all')).body['error']).toBe('invalid_request');
    expect(await isAlive(current)).toEqual([true, true]);
  });

  test('sessions are for those who are logged in', async () => {
    for (const method of ['GET', 'DELETE']) {
      const answer = await send(url('sessions'), { method });
      expect(answer.status).toBe(401);
      expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="api"');
    }
  });
});
