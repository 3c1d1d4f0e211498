import { createDatabase, type TestDatabase } from '../support/database.js';
import { startDemo } from '../support/demo-process.js';
import { freePort } from '../support/free-port.js';
import { send } from '../support/http.js';
import type { Adapter } from '../support/node.js';
import { REPORTS, WEB, type Client } from './clients.js';

export const AUDIENCE = 'https://demo-api.test';

/** What a login of the demo comes to, on the wire. */
interface DemoLogin {
  readonly sid: string;
  readonly access_token: string;
  readonly refresh_token: string;
}

export interface RunningDemo {
  /** where the metadata says that it is */
  readonly issuer: string;
  readonly database: TestDatabase;
  /** The user logs in with a client, or with the one that needs no name. `scope`: what the login grants, were it more than the demo's. */
  logIn(client?: Client, scope?: string): Promise<DemoLogin>;
  /** the status of `GET /me` */
  me(accessToken: string): Promise<number>;
  stop(): Promise<void>;
}

export async function startRunningDemo(adapter: Adapter): Promise<RunningDemo> {
  const [database, port] = [await createDatabase({ empty: true }), await freePort()];
  const issuer = `http://localhost:${port}`;
  const demo = await startDemo({
    DATABASE_URL: database.url,
    PORT: String(port),
    HTTP_ADAPTER: adapter,
    ISSUER: issuer,
    AUDIENCE,
    CLIENT_ID: WEB.id,
    CLIENT_SECRET: WEB.secret!,
    REVOCATIONS_ID: REPORTS.id,
    REVOCATIONS_SECRET: REPORTS.secret!,
  });
  return {
    issuer,
    database,
    logIn: async (client, scope) => {
      const { body } = await send(`${issuer}/auth/login`, {
        form: {
          username: 'alice',
          password: 'wonderland',
          ...(client && { client_id: client.id }),
          ...(client?.secret !== undefined && { client_secret: client.secret }),
        },
      });
      const login = body as unknown as DemoLogin;
      if (scope !== undefined)
        await database.query('update refresh_token set scope = $1 where family_id = $2', [scope, login.sid]);
      return login;
    },
    me: async (accessToken) => {
      const { status } = await send(`${issuer}/me`, { headers: { authorization: `Bearer ${accessToken}` } });
      return status;
    },
    stop: async () => {
      await demo.stop();
      await database.drop();
    },
  };
}
