import type { TokenEvent } from 'nestjs-token-family';
import { createTokenClient, memoryStorage, type TokenClient, type TokenStorage } from 'token-family-client';
import { toBody } from '../../libs/auth/src/http/token-response.js';
import { listenToRequests, WHOLE, type Fate } from '../cluster/http-proxy.js';
import type { Proxy } from '../cluster/proxy.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { options, startNode, type Adapter, type TestNode } from '../support/node.js';

const EIGHT_HOURS = 8 * 3600;
/** A client waits a little before it repeats what was not answered, so there are many at a time. */
const SESSIONS = 128;

/** A login, and all that is left of it when its client is gone. */
interface Kept {
  readonly sid: string;
  readonly storage: TokenStorage;
}

/** What happens to the attempts of a client to refresh. */
interface Troubles {
  /** how much of the first answers arrives, in bytes */
  readonly cutAt?: readonly number[];
  /** just before the attempt whose answer would be whole */
  readonly beforeLast?: (client: TokenClient) => void;
}

describe('An answer to a refresh that breaks off after any number of its bytes', () => {
  let database: TestDatabase;
  let node: TestNode;
  let proxy: Proxy;
  /** of whole answers, as they are sent on */
  const lengths = new Set<number>();

  async function open(adapter: Adapter, by: 'reset' | 'end', leeway: number): Promise<void> {
    database = await createDatabase();
    const { refreshToken } = options();
    const settings = options({ refreshToken: { ...refreshToken, leeway } });
    node = await startNode({ url: database.url, adapter, options: settings });
    const port = Number(new URL(node.url).port);
    const fateOf = (request: string): Fate => {
      const at = /\?at=(\d+)$/.exec(request)?.[1];
      if (at === undefined) return WHOLE;
      return { kind: 'cut', by, at: (length) => lengths.add(length) && Number(at) };
    };
    lengths.clear();
    proxy = await listenToRequests(() => port, fateOf);
  }

  afterEach(async () => {
    await proxy.close();
    await node.close();
    await database.drop();
  });

  function client({ sid, storage }: Kept, { cutAt = [], beforeLast }: Troubles = {}): TokenClient {
    let attempts = 0;
    const created: TokenClient = createTokenClient({
      baseUrl: proxy.url,
      name: sid,
      storage,
      fetch: async (input, init) => {
        const url = new URL(input instanceof Request ? input.url : input);
        if (url.pathname !== '/auth/refresh') return fetch(input, init);
        const at = cutAt[attempts++];
        if (at === undefined) beforeLast?.(created);
        else url.searchParams.set('at', String(at));
        return fetch(url, init);
      },
    });
    return created;
  }

  function logIn(): Promise<Kept[]> {
    const one = async (): Promise<Kept> => {
      const pair = await node.tokens.issue('alice');
      const kept = { sid: pair.sid, storage: memoryStorage() };
      const first = client(kept);
      await first.setTokens(toBody(pair, { refresh_token: pair.refreshToken }));
      first.dispose();
      return kept;
    };
    return Promise.all(Array.from({ length: SESSIONS }, one));
  }

  /**
   * Lets clients of these sessions meet answers cut at every `step`th byte, so many of them each.
   *
   * @returns how many answers were cut, and for how many clients
   */
  async function cutting(
    sessions: readonly Kept[],
    { step, each }: { readonly step: number; readonly each: number },
    work: (kept: Kept, cutAt: readonly number[]) => Promise<unknown>,
  ): Promise<{ cuts: number; clients: number }> {
    await work(sessions[0]!, [0]);
    const [length] = lengths;
    const places = Array.from({ length: Math.ceil(length! / step) - 1 }, (_, index) => (index + 1) * step);
    const cuts = places.length + 1;
    let clients = 1;
    const live = async (kept: Kept): Promise<void> => {
      for (; places.length > 0; clients++) await work(kept, places.splice(0, each));
    };
    await Promise.all(sessions.map(live));
    expect([...lengths]).toEqual([length]);
    return { cuts, clients };
  }

  /** What a new client of each session gets with its access token. */
  function show(sessions: readonly Kept[]): Promise<number[]> {
    const one = async (kept: Kept): Promise<number> => {
      const showing = client(kept);
      const { status } = await showing.fetch(`${proxy.url}/me`);
      showing.dispose();
      return status;
    };
    return Promise.all(sessions.map(one));
  }

  async function rows(): Promise<unknown> {
    const [row] = await database.query(
      'select count(revoked_at)::int as revoked, sum(generation)::int as rotations from refresh_token',
    );
    return row;
  }

  const retries = (): TokenEvent[] => node.events.filter(({ type }) => type === 'retried');

  it('is repeated with its key by the client that asked', async () => {
    await open('express', 'reset', 0);
    const sessions = await logIn();
    const { cuts, clients } = await cutting(sessions, { step: 1, each: 3 }, async (kept, cutAt) => {
      const asking = client(kept, { cutAt });
      await asking.getAccessToken();
      asking.dispose();
    });
    expect(cuts).toBeGreaterThan(900);
    expect(retries()).toHaveLength(cuts);
    expect(await rows()).toEqual({ revoked: 0, rotations: clients });
    expect(await show(sessions)).toEqual(sessions.map(() => 200));
    expect(await rows()).toEqual({ revoked: 0, rotations: clients + SESSIONS });
  }, 120_000);

  it('is repeated with its key, eight hours later, by a client that finds the storage alone', async () => {
    await open('fastify', 'end', 10);
    const sessions = await logIn();
    await cutting(sessions, { step: 3, each: 1 }, async (kept, cutAt) => {
      const dying = client(kept, { cutAt, beforeLast: (it) => it.dispose() });
      await expect(dying.getAccessToken()).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
    });
    expect(await rows()).toEqual({ revoked: 0, rotations: SESSIONS });
    await database.passTime(EIGHT_HOURS);
    expect(await show(sessions)).toEqual(sessions.map(() => 200));
    expect(retries().slice(-SESSIONS)).toEqual(sessions.map(() => expect.objectContaining({ late: true })));
    await database.passTime(EIGHT_HOURS);
    expect(await show(sessions)).toEqual(sessions.map(() => 200));
    expect(await rows()).toEqual({ revoked: 0, rotations: 2 * SESSIONS });
  }, 120_000);
});
