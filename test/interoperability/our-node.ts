import { createDatabase } from '../support/database.js';
import { options, signingKey, startNode, type Adapter } from '../support/node.js';
import { es256, Forge, type Json } from '../attacks/forge.js';
import { APP, CLIENTS, LIFETIMES, REPORTS, SCOPE, SUBJECT } from './clients.js';
import type { Login, Party } from './party.js';

const MINUTE = 60;

function forgeOf({ accessToken }: Login) {
  const forge = new Forge(accessToken, es256(signingKey));
  return { claims: forge.claims, token: (claims: Json) => forge.token({ claims }) };
}

/** Leeway 0: the other side has none, and takes every second use for reuse. */
export async function startOurNode(adapter: Adapter): Promise<Party> {
  const database = await createDatabase();
  const { accessToken, refreshToken } = options();
  const node = await startNode({
    url: database.url,
    adapter,
    options: options({
      clientId: APP.id,
      clients: CLIENTS,
      resourceServers: [{ id: REPORTS.id, secret: REPORTS.secret! }],
      accessToken: { ...accessToken, lifetime: LIFETIMES.access, jitter: 0 },
      refreshToken: { ...refreshToken, lifetime: LIFETIMES.refresh, leeway: 0 },
    }),
  });
  const moveBack = async (sid: string, column: string, seconds: number): Promise<void> => {
    const sql = `update refresh_token set ${column} = ${column} - $1 * interval '1 second' where family_id = $2`;
    await database.query(sql, [seconds, sid]);
  };
  return {
    url: node.url,
    logIn: async (clientId, state): Promise<Login> => {
      const login = await node.tokens.issue(SUBJECT, { clientId, scope: SCOPE });
      if (state === 'good') return login;
      await moveBack(login.sid, 'expires_at', LIFETIMES.refresh + MINUTE);
      const { claims, token } = forgeOf(login);
      const past = LIFETIMES.access + MINUTE;
      const [iat, exp] = [Number(claims['iat']) - past, Number(claims['exp']) - past];
      return { ...login, accessToken: token({ iat, exp }) };
    },
    // How old the parent is when it comes again is counted without our own waiting, which a slow machine has much of.
    passTime: (login) => moveBack(String(forgeOf(login).claims['sid']), 'rotated_at', MINUTE),
    close: async () => {
      await node.close();
      await database.drop();
    },
  };
}
