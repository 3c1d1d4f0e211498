import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findSecret, leaveSecret } from '../src/keys/shared-secret.js';
import { createDatabase, type TestDatabase } from './support/database.js';
import { startDemo, type DemoProcess } from './support/demo-process.js';
import { me, refresh, send, type Answer } from './support/http.js';

describe('two nodes that were started at once on one empty database', () => {
  let database: TestDatabase;
  let nodes: DemoProcess[];
  beforeAll(async () => {
    database = await createDatabase({ empty: true });
    const origins = 'https://app.example.com, http://localhost:5173';
    const environment = { DATABASE_URL: database.url, REVOCATION_POLL_INTERVAL: '0.1s', ORIGINS: origins };
    nodes = await Promise.all([
      startDemo({ ...environment, HTTP_ADAPTER: 'express', ISSUER: 'https://demo.test' }),
      startDemo({ ...environment, HTTP_ADAPTER: 'fastify', ISSUER: 'https://demo.test' }),
    ]);
  });
  afterAll(async () => {
    await Promise.all((nodes ?? []).map((node) => node.stop()));
    await database?.drop();
  });

  const login = async (username = 'alice', password = 'wonderland'): Promise<Answer> =>
    send(`${nodes[0]!.url}/auth/login`, { json: { username, password } });
  const tokenOf = (answer: Answer, name: string): string => String(answer.body[name]);

  test('a login, a refresh, a replay and a theft go through, over both nodes', async () => {
    const [first, second] = [nodes[0]!, nodes[1]!];
    const stolen = await login();
    const other = await login();
    expect((await me(second, tokenOf(stolen, 'access_token'))).body).toMatchObject({ name: 'alice' });

    const rotated = await refresh(second, tokenOf(stolen, 'refresh_token'));
    expect(rotated.status).toBe(200);
    expect((await me(first, tokenOf(rotated, 'access_token'))).status).toBe(200);
    expect((await me(first, tokenOf(stolen, 'access_token'))).status).toBe(200);

    await database.passTime(11);
    const replayed = await refresh(first, tokenOf(stolen, 'refresh_token'));
    expect(replayed.status).toBe(400);
    expect(replayed.body['error']).toBe('invalid_grant');

    expect((await refresh(second, tokenOf(rotated, 'refresh_token'))).body['error']).toBe('invalid_grant');
    expect((await me(first, tokenOf(rotated, 'access_token'))).status).toBe(401);
    expect((await refresh(second, tokenOf(other, 'refresh_token'))).status).toBe(200);
  });

  test('a late replay with the Idempotency-Key of the first attempt gets the identical answer', async () => {
    const answer = await login('bob', 'builder');
    const headers = { 'idempotency-key': randomUUID() };
    const rotated = await refresh(nodes[0]!, tokenOf(answer, 'refresh_token'), headers);
    await database.passTime(3600);
    const replayed = await refresh(nodes[1]!, tokenOf(answer, 'refresh_token'), headers);
    expect(replayed.status).toBe(200);
    expect(replayed.body['refresh_token']).toBe(rotated.body['refresh_token']);
  });

  test('a login with the cookie carrier keeps the refresh token out of the body', async () => {
    const answer = await send(`${nodes[1]!.url}/auth/login`, {
      json: { username: 'alice', password: 'wonderland' },
      headers: { 'x-token-carrier': 'cookie' },
    });
    expect(answer.body).not.toHaveProperty('refresh_token');
    expect(answer.headers.get('set-cookie')).toMatch(/^__Host-refresh_token=rt1_/);
  });

  test.each<[origin: string, consent: string | null, status: number]>([
    ['http://localhost:5173', 'http://localhost:5173', 200],
    ['https://evil.test', null, 403],
  ])(
    'a page of %s gets the consent of CORS and the cookie if it is one of ORIGINS',
    async (origin, consent, status) => {
      for (const { url } of nodes) {
        const answer = await send(`${url}/auth/login`, {
          json: { username: 'alice', password: 'wonderland' },
          headers: { 'x-token-carrier': 'cookie', 'sec-fetch-site': 'same-site', origin },
        });
        expect(answer.status).toBe(status);
        expect(answer.headers.get('access-control-allow-origin')).toBe(consent);
      }
    },
  );

  test('a wrong name and a wrong password get the same answer', async () => {
    const answers = [await login('nobody', 'wonderland'), await login('alice', 'wrong')];
    expect(answers.map(({ status, body }) => ({ status, body }))).toEqual([
      { status: 400, body: { error: 'invalid_credentials' } },
      { status: 400, body: { error: 'invalid_credentials' } },
    ]);
  });

  test('the lines it prints work in a shell', async () => {
    const lines = nodes[0]!
      .output()
      .split('\n')
      .filter((line) => line.includes('curl '))
      .map((line) => line.trim());
    expect(lines).toHaveLength(3);
    const shell = spawn('sh', ['-c', lines.join('; echo; ')], { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    shell.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    await once(shell, 'close');
    const answers = output
      .trim()
      .split(/\n+/)
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(answers).toEqual([
      expect.objectContaining({ token_type: 'Bearer' }),
      expect.objectContaining({ name: 'alice' }),
      expect.objectContaining({ refresh_token: expect.stringMatching(/^rt1_/) }),
    ]);
  });

  describe('the second application, which has no database,', () => {
    let resource: DemoProcess;
    beforeAll(async () => {
      const { url } = nodes[0]!;
      resource = await startDemo(
        {
          ISSUER: 'https://demo.test',
          JWKS_URI: `${url}/.well-known/jwks.json`,
          REVOCATIONS_URI: `${url}/auth/revocations`,
          REVOCATION_POLL_INTERVAL: '0.1s',
        },
        'resource',
      );
    });
    afterAll(() => resource?.stop());

    const reports = (answer: Answer): Promise<Answer> => {
      const headers = { authorization: `Bearer ${tokenOf(answer, 'access_token')}` };
      return send(`${resource.url}/reports`, { headers });
    };

    test('believes the tokens of the first', async () => {
      const answer = await reports(await login('bob', 'builder'));
      expect(answer).toMatchObject({ status: 200, body: { for: { name: 'bob' } } });
      expect((await send(`${resource.url}/reports`)).status).toBe(401);
    });

    test('refuses a session within a poll of its logout there', async () => {
      const session = await login();
      expect((await reports(session)).status).toBe(200);
      await send(`${nodes[0]!.url}/auth/logout`, {
        json: { refresh_token: tokenOf(session, 'refresh_token') },
      });
      let { status } = await reports(session);
      for (const end = Date.now() + 5000; status === 200 && Date.now() < end;)
        ({ status } = await reports(session));
      expect(status).toBe(401);
    });
  });

  test('it says loudly that its keys are for development', () => {
    expect(nodes[0]!.output()).toContain('DEVELOPMENT KEYS');
  });
});

test('the secret its second application needs is left for the same user alone, whatever stood there', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'token-family-secret-'));
  const file = join(directory, 'made', 'secret');
  try {
    expect(await findSecret(file)).toBeUndefined();
    await leaveSecret(file, 'one');
    await chmod(file, 0o666);
    await leaveSecret(file, 'two');
    expect(await findSecret(file)).toBe('two');
    expect((await stat(file)).mode & 0o777).toBe(0o600);
  } finally {
    await rm(directory, { recursive: true });
  }
});

test('a secret that several processes leave at once is always there, whole, and one of theirs', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'token-family-secret-'));
  const file = join(directory, 'secret');
  const secrets = ['a', 'b', 'c'].map((letter) => letter.repeat(43));
  try {
    await leaveSecret(file, secrets[0]!);
    for (let round = 0; round < 50; round++) {
      const left = secrets.map((secret) => leaveSecret(file, secret));
      const found = await Promise.all(secrets.map(() => findSecret(file)));
      await Promise.all(left);
      for (const each of [...found, await findSecret(file)]) expect(secrets).toContain(each);
    }
    expect(await readdir(directory)).toEqual(['secret']);
  } finally {
    await rm(directory, { recursive: true });
  }
});

test('a setting that cannot be is refused at start, with the remedy', async () => {
  const database = await createDatabase({ empty: true });
  try {
    const start = startDemo({ DATABASE_URL: database.url, REFRESH_TOKEN_LEEWAY: 'soon' });
    await expect(start).rejects.toThrow(/refreshToken\.leeway must be a duration/);
  } finally {
    await database.drop();
  }
});
