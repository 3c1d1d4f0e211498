import { createTokenClient, memoryStorage, type TokenClient, type TokenStorage } from 'token-family-client';
import { toBody } from '../../libs/auth/src/http/token-response.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { startNode, type TestNode } from '../support/node.js';

const MINUTE = 60;
const EIGHT_HOURS = 8 * 3600;

/*
 * Tabs that share a storage and nothing else: no lock, no channel. Their names differ, so that they do not hear each other.
 */
describe('Where tabs share a storage without a lock', () => {
  let database: TestDatabase;
  let node: TestNode;
  let storage: TokenStorage;
  let tabs: TokenClient[];

  beforeAll(async () => {
    database = await createDatabase();
    node = await startNode({ url: database.url });
  });

  beforeEach(async () => {
    const kept = memoryStorage();
    storage = { get: () => kept.get(), set: (text) => kept.set(text), remove: () => kept.remove() };
    tabs = [];
    const pair = await node.tokens.issue('alice');
    await openTab().setTokens(toBody(pair, { refresh_token: pair.refreshToken }));
  });

  afterEach(() => tabs.forEach((tab) => tab.dispose()));

  afterAll(async () => {
    await node.close();
    await database.drop();
  });

  function openTab(withFetch: typeof fetch = fetch): TokenClient {
    const tab = createTokenClient({
      baseUrl: node.url,
      name: `tab ${tabs.length}`,
      storage,
      fetch: withFetch,
    });
    tabs.push(tab);
    return tab;
  }

  /** One that is opened, knows no access token, and so refreshes. */
  async function refreshInNewTab(): Promise<string> {
    return openTab().getAccessToken();
  }

  it('an answer that comes when another tab is further on puts nothing back', async () => {
    let arrived = (): void => {};
    let release = (): void => {};
    const answered = new Promise<void>((resolve) => (arrived = resolve));
    const released = new Promise<void>((resolve) => (release = resolve));
    const slow = openTab(async (input, init) => {
      const response = await fetch(input, init);
      arrived();
      await released;
      return response;
    }).getAccessToken();
    await answered;
    await refreshInNewTab();
    await database.passTime(MINUTE);
    await refreshInNewTab();
    const stored = await storage.get();
    release();
    await slow;
    expect(await storage.get()).toBe(stored);
    await database.passTime(EIGHT_HOURS);
    await refreshInNewTab();
    expect(node.events.filter(({ type }) => type === 'reused')).toEqual([]);
  });

  it('the same token again keeps its key', async () => {
    await refreshInNewTab();
    const stored = await storage.get();
    await refreshInNewTab();
    expect(node.events.at(-1)!.type).toBe('repeated');
    expect(await storage.get()).toBe(stored);
  });
});
