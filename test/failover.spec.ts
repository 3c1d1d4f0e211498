import { randomUUID } from 'node:crypto';
import { DataSource } from 'typeorm';
import { RefreshToken, UnavailableError, type TokenEventType, type TokenPair } from 'nestjs-token-family';
import { RevocationCheck } from '../libs/auth/src/core/revocation-ports.js';
import type { RevocationFeed } from '../libs/auth/src/revocation/revocation.feed.js';
import { Chain } from './cluster/infrastructure/chain.js';
import { AWAIT_STANDBY, ONE_STANDBY } from './cluster/infrastructure/failover.js';
import { makeSeed, type Seed } from './cluster/infrastructure/postgres-copies.js';
import { startReplicated, type Replicated } from './cluster/infrastructure/replicated.js';
import {
  bodyClient,
  cookieClient,
  duringTraffic,
  failuresAmong,
  UNAVAILABLE,
} from './faults/honest-client.js';
import { me, refresh, send, type Answer } from './support/http.js';
import { options, startNode, type TestNode } from './support/node.js';
import { soon } from './support/wire.js';

const PATIENCE = 60_000;
/** MAX_ADVANCE of the judge. */
const MOST_LOST = 8;

/** Leeway 0: every refresh rotates, so that a family can be generations ahead of what the standby knows. */
const strictOptions = options({
  refreshToken: { ...options().refreshToken, leeway: 0 },
  revocation: { pollInterval: 0.1 },
  database: { lockTimeout: '0.5s', queryTimeout: '1s' },
});

interface World extends Replicated {
  readonly nodes: readonly [TestNode, TestNode];
}

async function startWorld(
  settings?: Parameters<typeof startReplicated>[1],
  { readsFromStandby = false } = {},
): Promise<World> {
  const replicated = await startReplicated(seed, settings);
  const nodeSettings = {
    url: replicated.databaseUrl,
    options: strictOptions,
    poolSize: 5,
    ...(readsFromStandby && { replicas: [seed.urlOf(replicated.standby.port)] }),
  };
  const nodes = [await startNode(nodeSettings), await startNode(nodeSettings)] as const;
  const close = async (): Promise<void> => {
    for (const node of nodes) await node.close();
    await replicated.close();
  };
  return { ...replicated, nodes, close };
}

let seed: Seed;
beforeAll(async () => {
  seed = await makeSeed();
}, PATIENCE);
afterAll(() => seed?.remove());

const summary = ({ status, body }: Answer) => ({ status, error: body['error'] });
const INVALID_GRANT = { status: 400, error: 'invalid_grant' };

describe('A failover that loses the last commits', () => {
  let world: World;
  /** By how many of its refreshes are lost. */
  let ahead: Chain[];
  let unanswered: Chain[];
  let robbed: Chain;
  let ridden: Chain;
  let farAhead: Chain;
  let revoked: Chain;
  let lostLogin: Chain;
  let traffic: Answer[];

  const login = async (): Promise<Chain> =>
    new Chain(world.nodes[0], await world.nodes[0].tokens.issue('alice'));
  const logins = (count: number): Promise<Chain[]> => Promise.all(Array.from({ length: count }, login));
  const told = (type: TokenEventType, { pair }: Chain) =>
    world.nodes
      .flatMap(({ events }) => events)
      .filter((event) => event.type === type && event.sid === pair.sid);
  const followed = (chain: Chain) =>
    told('advanced', chain).map((event) => event.type === 'advanced' && event.lost);

  beforeAll(async () => {
    world = await startWorld();
    ahead = await logins(MOST_LOST + 1);
    unanswered = await logins(MOST_LOST);
    [robbed, ridden, farAhead, revoked] = (await logins(4)) as [Chain, Chain, Chain, Chain];
    for (const chain of [...ahead, ...unanswered, robbed, ridden, farAhead, revoked]) await chain.refresh(2);
    const clients = (await logins(6)).map(({ newest }, index) =>
      index % 2 === 0 ? bodyClient(newest) : cookieClient(newest),
    );

    await world.stopReplication();
    for (const [lost, chain] of ahead.entries()) await chain.refresh(lost);
    for (const [lost, chain] of unanswered.entries()) {
      await chain.refresh(lost);
      const unseen = await chain.present(chain.tokens.length - 1);
      expect(unseen.status).toBe(200);
    }
    await robbed.refresh(3);
    await ridden.refresh(3);
    await farAhead.refresh(MOST_LOST + 1);
    await world.nodes[0].tokens.revoke(revoked.pair.sid);
    lostLogin = await login();
    for (const client of clients) await client.refresh(world.nodes[1]);

    await world.primary.kill();
    await duringTraffic(clients, world.nodes, () => world.failOver());
    for (const client of clients) await client.refresh(world.nodes[0]);
    traffic = clients.flatMap(({ answers }) => answers);
    for (const { answers } of clients) expect(answers.at(-1)!.status).toBe(200);
  }, PATIENCE);
  afterAll(() => world?.close());

  it('answers the successor or 503 to every refresh on the way', () => {
    expect(failuresAmong(traffic)).toEqual([UNAVAILABLE]);
  });

  it('logs out no client that holds a newer token than the database knows, by one to eight generations', async () => {
    for (const [lost, chain] of ahead.entries()) {
      await chain.refresh(2);
      expect(followed(chain)).toEqual(lost === 0 ? [] : [lost]);
    }
  });

  it('logs out no client whose last refresh was committed, lost and never answered', async () => {
    for (const chain of unanswered) await chain.refresh(2);
  });

  it('still catches a thief who replays a token its owner has spent, on either primary', async () => {
    await robbed.refresh();
    // The third is what the new primary believed to be current, the fifth was spent on the old one alone.
    expect(summary(await refresh(world.nodes[1], robbed.tokens[3]))).toEqual(INVALID_GRANT);
    expect(told('reused', robbed)).toHaveLength(1);
    expect(summary(await refresh(world.nodes[1], robbed.newest))).toEqual(INVALID_GRANT);
  });

  it('still catches a thief who comes first with what the database believes to be current', async () => {
    const theft = await refresh(world.nodes[1], ridden.tokens[2]);
    expect(theft.status).toBe(200);
    // The successor is derived: the thief got what the owner had got long ago, and gained no sibling.
    expect(theft.body['refresh_token']).toBe(ridden.tokens[3]);
    await ridden.refresh();
    expect(summary(await refresh(world.nodes[0], theft.body['refresh_token']))).toEqual(INVALID_GRANT);
    expect(told('reused', ridden)).toHaveLength(1);
  });

  it('refuses a token further ahead, and ends nothing', async () => {
    expect(summary(await refresh(world.nodes[0], farAhead.newest))).toEqual(INVALID_GRANT);
    expect(told('revoked', farAhead)).toEqual([]);
    expect((await farAhead.present(farAhead.tokens.length - 2)).status).toBe(200);
  });

  it('brings no session back whose end was not replicated: nodes that knew of it refuse it, and end it again', async () => {
    for (const node of world.nodes) {
      expect(summary(await revoked.present(2, node))).toEqual(INVALID_GRANT);
      expect((await me(node, revoked.pair.accessToken)).status).toBe(401);
    }
    const sql = 'select revocation_reason as reason from refresh_token where family_id = $1';
    const reason = async () =>
      (await world.standby.query<{ reason: string | null }>(sql, [revoked.pair.sid]))[0]?.reason;
    expect(await soon(async () => (await reason()) === 'restored')).toBe(true);
    expect(told('revoked', revoked).map((event) => event.type === 'revoked' && event.reason)).toEqual([
      'logout',
      'restored',
    ]);
  });

  it('answers invalid_grant to a login that was not replicated', async () => {
    expect(summary(await refresh(world.nodes[0], lostLogin.newest))).toEqual(INVALID_GRANT);
  });

  it('is not undone when the old primary comes back', async () => {
    const chain = await login();
    await world.primary.restart();
    await chain.refresh(3);
    const stranger = await world.primary.query('select 1 from refresh_token where family_id = $1', [
      chain.pair.sid,
    ]);
    expect(stranger).toEqual([]);
  });
});

describe('A standby in the place of the primary', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld();
  }, PATIENCE);
  afterAll(() => world?.close());

  it('is answered 503 on every route that asks it, and a token is good again when the primary is back', async () => {
    const [node] = world.nodes;
    const pair = await node.tokens.issue('alice');
    await world.stopReplication();
    world.leadTo(world.standby);
    const bearer = { authorization: `Bearer ${pair.accessToken}` };
    const answers = [
      await refresh(node, pair.refreshToken),
      await refresh(node, pair.refreshToken, { 'idempotency-key': randomUUID() }),
      await send(`${node.url}/auth/logout`, { json: { refresh_token: pair.refreshToken } }),
      await send(`${node.url}/auth/sessions`, { headers: bearer }),
      await send(`${node.url}/auth/sessions`, { method: 'DELETE', headers: bearer }),
    ];
    expect(failuresAmong(answers)).toEqual([UNAVAILABLE]);
    expect(answers).not.toContainEqual(expect.objectContaining({ status: 200 }));
    await expect(node.tokens.issue('alice')).rejects.toThrow(UnavailableError);
    world.leadTo(world.primary);
    expect((await refresh(node, pair.refreshToken)).status).toBe(200);
  });
});

describe('A read replica that is an hour behind', () => {
  let world: World;

  beforeAll(async () => {
    world = await startWorld(
      { standbySettings: { recovery_min_apply_delay: '1h' } },
      { readsFromStandby: true },
    );
  }, PATIENCE);
  afterAll(() => world?.close());

  it('is asked for no refresh, no reuse, no session and no revocation', async () => {
    const [node, other] = world.nodes;
    const chain = new Chain(node, await node.tokens.issue('alice'));
    await chain.refresh(3);
    const bearer = { authorization: `Bearer ${chain.pair.accessToken}` };
    const listed = await send(`${other.url}/auth/sessions`, { headers: bearer });
    expect(listed.body).toEqual([expect.objectContaining({ sid: chain.pair.sid })]);
    expect((await me(other, chain.pair.accessToken)).status).toBe(200);
    expect(summary(await refresh(node, chain.tokens[1]))).toEqual(INVALID_GRANT);
    expect(summary(await refresh(other, chain.newest))).toEqual(INVALID_GRANT);
    await other.get<RevocationFeed>(RevocationCheck as never).refresh();
    expect((await me(other, chain.pair.accessToken)).status).toBe(401);

    // What TypeORM itself reads comes from the replica, which has not heard of the login.
    expect(await node.get(DataSource).getRepository(RefreshToken).count()).toBe(0);
  });
});

describe('Revocations that wait until the standby has them', () => {
  let world: World;

  beforeAll(async () => {
    world = await startWorld({
      primarySettings: ONE_STANDBY,
    });
    await world.primary.query(AWAIT_STANDBY);
  }, PATIENCE);
  afterAll(() => world?.close());

  it('are never lost once confirmed; an unconfirmed one is answered 503, and its repeat ends the session', async () => {
    const [node, other] = world.nodes;
    const [loggedOut, robbed, unconfirmed] = (await Promise.all(
      [1, 2, 3].map(() => node.tokens.issue('alice')),
    )) as [TokenPair, TokenPair, TokenPair];
    const successors = await Promise.all(
      [robbed, unconfirmed].map(({ refreshToken }) => refresh(node, refreshToken)),
    );
    // From here on nothing waits for the standby: what is on it now is there because it was confirmed.
    expect(
      (await send(`${node.url}/auth/logout`, { json: { refresh_token: loggedOut.refreshToken } })).status,
    ).toBe(204);
    expect(summary(await refresh(node, robbed.refreshToken))).toEqual(INVALID_GRANT);

    await world.stopReplication();
    const logout = () =>
      send(`${other.url}/auth/logout`, { json: { refresh_token: successors[1]!.body['refresh_token'] } });
    expect(failuresAmong([await logout()])).toEqual([UNAVAILABLE]);
    const onward = await node.tokens.issue('bob');
    expect((await refresh(node, onward.refreshToken)).status).toBe(200);

    await world.primary.kill();
    await world.failOver();
    expect(summary(await refresh(other, loggedOut.refreshToken))).toEqual(INVALID_GRANT);
    expect(summary(await refresh(other, successors[0]!.body['refresh_token']))).toEqual(INVALID_GRANT);
    expect((await logout()).status).toBe(204);
    expect(summary(await refresh(node, successors[1]!.body['refresh_token']))).toEqual(INVALID_GRANT);
  });
});
