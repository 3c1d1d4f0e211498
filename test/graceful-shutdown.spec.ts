import { Agent, request, type IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { TokenHealth, type ClaimsProvider } from 'nestjs-token-family';
import { createDatabase, type TestDatabase } from './support/database.js';
import { startDemo, type DemoProcess } from './support/demo-process.js';
import { refresh, send } from './support/http.js';
import { options, startNode } from './support/node.js';

interface Sent {
  readonly status: number;
  readonly connection: string | undefined;
  readonly body: Record<string, unknown>;
}

/** How an attempt ended without a whole answer. */
class Broken extends Error {
  constructor(
    readonly code: string,
    /** of an answer that had begun */
    readonly wasCut: boolean,
  ) {
    super(code);
  }
}

/** Over connections that are kept; fails as a `Broken`. */
function over(agent: Agent, url: string, json?: object): Promise<Sent> {
  return new Promise((resolve, reject) => {
    let answer: IncomingMessage | undefined;
    const fail = (error: NodeJS.ErrnoException) =>
      reject(new Broken(error.code ?? error.message, answer !== undefined));
    const body = json && JSON.stringify(json);
    const headers = body === undefined ? {} : { 'content-type': 'application/json' };
    const sent = request(url, { agent, method: body === undefined ? 'GET' : 'POST', headers }, (response) => {
      answer = response;
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.once('error', fail);
      response.once('end', () => {
        const { statusCode: status = 0, headers: received } = response;
        resolve({ status, connection: received.connection, body: JSON.parse(text) });
      });
    });
    sent.once('error', fail);
    sent.end(body);
  });
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await holds()); tries++) {
    if (tries > 500) throw new Error('it never came true');
    await sleep(10);
  }
}

describe.each(['express', 'fastify'] as const)('on %s', (adapter) => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createDatabase();
  });
  afterAll(() => database.drop());

  test('a refresh in flight is finished and answered before the pool is closed', async () => {
    let asked = false;
    const answer: { now?: () => void } = {};
    const claims: ClaimsProvider = () => {
      if (!answer.now) return {};
      asked = true;
      return new Promise((resolve) => (answer.now = () => resolve({})));
    };
    const node = await startNode({ url: database.url, adapter, options: options({ claims }) });
    const { refreshToken, sid } = await node.tokens.issue('alice');
    answer.now = () => {};
    const refreshed = refresh(node, refreshToken, { connection: 'close' });
    await until(async () => asked);
    const closed = node.close();
    await until(async () => (await node.get(TokenHealth).ready())['token_shutdown'] !== undefined);
    // Long enough for everything that does not wait for the refresh to be over.
    expect(await Promise.race([closed, sleep(300, 'waits')])).toBe('waits');
    answer.now();
    expect((await refreshed).status).toBe(200);
    await closed;
    const rows = await database.query('select generation from refresh_token where family_id = $1', [sid]);
    expect(rows).toEqual([{ generation: 1 }]);
  });

  describe('a process that is told to end', () => {
    let own: TestDatabase;
    let demo: DemoProcess;
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const start = async (more: Record<string, string> = {}) => {
      own = await createDatabase({ empty: true });
      demo = await startDemo({ DATABASE_URL: own.url, HTTP_ADAPTER: adapter, ...more });
    };
    const login = async () => {
      const json = { username: 'alice', password: 'wonderland' };
      return (await over(agent, `${demo.url}/auth/login`, json)).body;
    };
    afterEach(async () => {
      await demo.kill();
      await own.drop();
    });

    test('answers the refresh it has begun, closes that connection with the answer, and is gone', async () => {
      await start();
      const { refresh_token: token, sid } = await login();
      const holder = (await own.connect()).createQueryRunner();
      await holder.startTransaction();
      await holder.query('select 1 from refresh_token where family_id = $1 for update', [sid]);
      const refreshed = over(agent, `${demo.url}/auth/refresh`, { refresh_token: token });
      await until(async () => {
        const sql = `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
        return (await own.query(sql)).length > 0;
      });
      const ended = demo.stop();
      await until(async () => (await fetch(`${demo.url}/health/live`).catch(() => null)) === null);
      const released = performance.now();
      await holder.commitTransaction();
      const answer = await refreshed;
      expect(answer).toMatchObject({ status: 200, connection: 'close' });
      await ended;
      expect(performance.now() - released).toBeLessThan(3000);
      // What it answered is what was committed.
      const rows = await own.query('select generation from refresh_token where family_id = $1', [sid]);
      expect(rows).toEqual([{ generation: 1 }]);
      expect(demo.output()).not.toMatch(/ERROR|after calling end/);
    });

    test('is first not ready, and goes on serving while load balancers learn of it', async () => {
      await start({ DRAIN_DELAY: '2s' });
      const { refresh_token: token, access_token: accessToken } = await login();
      expect((await send(`${demo.url}/health/ready`)).status).toBe(200);
      const began = performance.now();
      const ended = demo.stop();
      await until(async () => (await send(`${demo.url}/health/ready`)).status === 503);
      expect((await send(`${demo.url}/health/live`)).status).toBe(200);
      expect((await refresh(demo, token)).status).toBe(200);
      const headers = { authorization: `Bearer ${String(accessToken)}` };
      expect((await send(`${demo.url}/me`, { headers })).status).toBe(200);
      await ended;
      expect(performance.now() - began).toBeGreaterThan(1900);
    });

    test('cuts no answer off, and is not held up by clients that never pause', async () => {
      await start();
      let served = 0;
      const busy = Array.from({ length: 8 }, async () => {
        const kept = new Agent({ keepAlive: true, maxSockets: 1 });
        let { refresh_token: token } = await login();
        const statuses = new Set<number>();
        for (;;) {
          try {
            const { status, body } = await over(kept, `${demo.url}/auth/refresh`, { refresh_token: token });
            if (status === 200) token = body['refresh_token'];
            if (status === 200 && !statuses.has(200)) served++;
            statuses.add(status);
          } catch (error) {
            return { statuses: [...statuses], broken: error as Broken };
          }
        }
      });
      while (served < busy.length) await sleep(50);
      const ended = demo.stop();
      expect(await Promise.race([ended, sleep(4000, 'is held up')])).toBeUndefined();
      for (const { statuses, broken } of await Promise.all(busy)) {
        expect(broken).toMatchObject({ wasCut: false });
        expect(statuses.filter((status) => status !== 503)).toEqual([200]);
      }
    });
  });
});
