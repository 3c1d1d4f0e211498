import { createDatabase, type TestDatabase } from '../support/database.js';
import { startDemo, type DemoProcess } from '../support/demo-process.js';
import { me, refresh, send, type Answer } from '../support/http.js';

/** A test that takes longer than this has no minute to itself any more. */
jest.setTimeout(40_000);
const TO_START = 120_000;

describe('the demo, told to throttle,', () => {
  let database: TestDatabase;
  let demo: DemoProcess;
  beforeAll(async () => {
    database = await createDatabase({ empty: true });
    demo = await startDemo({ DATABASE_URL: database.url, THROTTLE: 'on' });
  }, TO_START);
  afterAll(async () => {
    await demo?.stop();
    await database?.drop();
  });
  const login = (username: string, password: string, path = '/auth/login'): Promise<Answer> =>
    send(`${demo.url}${path}`, { json: { username, password } });

  test('takes ten logins a minute of one name, however its path is spelt, and those of another one after them', async () => {
    const statuses: number[] = [];
    const spellings = ['/auth/login', '/auth/login?x', '/auth/login/', '/AUTH/LOGIN', '/auth/login?'];
    for (const path of [...spellings, ...spellings]) {
      statuses.push((await login('alice', 'guess', path)).status);
    }
    const { status, headers } = await login('Alice', 'wonderland');
    expect([...new Set(statuses), status]).toEqual([400, 429]);
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await login('bob', 'builder')).status).toBe(200);
  });

  test('takes sixty refreshes a minute of one session, and those of another one after them', async () => {
    const [one, other] = [await login('bob', 'builder'), await login('bob', 'builder')];
    const token = ({ body }: Answer) => String(body['refresh_token']);
    const answers = await Promise.all(Array.from({ length: 63 }, () => refresh(demo, token(one))));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(60);
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(3);
    expect((await refresh(demo, token(other))).status).toBe(200);
    expect((await me(demo, String(one.body['access_token']))).status).toBe(200);
  });

  test('answers whoever asks for its health, however often', async () => {
    const answers = await Promise.all(Array.from({ length: 310 }, () => send(`${demo.url}/health/live`)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
  });
});

test('THROTTLE is on or off', async () => {
  const start = startDemo({ DATABASE_URL: 'postgres://none', THROTTLE: 'maybe' });
  await expect(start).rejects.toThrow('THROTTLE must be on or off');
});
