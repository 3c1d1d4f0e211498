import { createDatabase, type TestDatabase } from '../support/database.js';
import { startDemo, type DemoProcess } from '../support/demo-process.js';
import { refresh, send } from '../support/http.js';

describe.each(['express', 'fastify'] as const)('the demo on %s', (adapter) => {
  let database: TestDatabase;
  let demo: DemoProcess;
  beforeAll(async () => {
    database = await createDatabase({ empty: true });
    demo = await startDemo({ DATABASE_URL: database.url, HTTP_ADAPTER: adapter });
  });
  afterAll(async () => {
    await demo?.stop();
    await database?.drop();
  });

  test('tells without a token whether it lives and is ready', async () => {
    const live = await send(`${demo.url}/health/live`);
    expect([live.status, live.body]).toEqual([200, { token_live: { status: 'up' } }]);
    const ready = await send(`${demo.url}/health/ready`);
    expect([ready.status, ready.body['status']]).toEqual([200, 'ok']);
    expect(Object.keys(ready.body['details'] as object)).toEqual([
      'token_database',
      'token_clock',
      'token_revocations',
      'token_keys',
    ]);
  });

  test('tells Prometheus what it has done', async () => {
    await refresh(demo, 'no token');
    const response = await fetch(`${demo.url}/metrics`);
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    const text = await response.text();
    expect(text).toContain(
      'token_family_refreshes_total{verdict="refused",code="refresh_token_malformed"} 1\n',
    );
    expect(text).toContain('token_family_signing_key_usable 1\n');
  });
});

test('a drain delay that is none is refused at start', async () => {
  await expect(startDemo({ DRAIN_DELAY: 'soon', DATABASE_URL: 'postgres://none' })).rejects.toThrow(
    /DRAIN_DELAY must be a number of seconds/,
  );
});
