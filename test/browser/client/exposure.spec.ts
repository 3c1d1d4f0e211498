import { ClientSite } from './client-site.js';
import { CARRIERS } from './profile.js';

const HOUR = 3600;

/** Makes every page of a profile write down what is said on any channel: as text, bytes included. */
const OVERHEAR = `
  globalThis.overheard = [];
  globalThis.texts = (value, seen = new Set()) => {
    if (typeof value === 'string') return [value];
    if (value instanceof ArrayBuffer) value = new Uint8Array(value);
    if (ArrayBuffer.isView(value)) {
      const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
      return [new TextDecoder('latin1').decode(bytes), new TextDecoder('utf-16').decode(bytes)];
    }
    if (typeof value !== 'object' || value === null || seen.has(value)) return [String(value)];
    seen.add(value);
    return Object.entries(value).flatMap(([name, each]) => [name, ...texts(each, seen)]);
  };
  const post = BroadcastChannel.prototype.postMessage;
  BroadcastChannel.prototype.postMessage = function (message) {
    const other = new BroadcastChannel(this.name);
    other.onmessage = ({ data }) => overheard.push(...texts(data));
    post.call(this, message);
  };
`;

/** All that a browser keeps for the scripts of a page. */
const KEPT = `(async () => {
  const done = (request) => new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  const recordsOf = async (name) => {
    const database = await done(indexedDB.open(name));
    const stores = [...database.objectStoreNames];
    return Promise.all(stores.map((each) => done(database.transaction(each).objectStore(each).getAll())));
  };
  const kept = [document.cookie, JSON.stringify(await cookieStore.getAll()), window.name, JSON.stringify(history.state)];
  for (const storage of [localStorage, sessionStorage]) kept.push(JSON.stringify({ ...storage }));
  for (const { name } of await indexedDB.databases()) kept.push(...texts(await recordsOf(name)));
  for (const name of await caches.keys())
    for (const answer of await (await caches.open(name)).matchAll()) kept.push(answer.url, await answer.text());
  kept.push(JSON.stringify(performance.getEntries()), document.documentElement.outerHTML);
  return kept.join('\\n');
})()`;

let site: ClientSite;
beforeAll(async () => {
  site = await ClientSite.start();
});
afterAll(() => site?.close());
afterEach(() => site?.leave());

describe.each(CARRIERS)('three tabs of one session, by %s', (carrier) => {
  test('leave no access token where a script that searches storages finds it, and say no token aloud', async () => {
    const { profile, tabs } = await site.openTabs(3, { carrier, script: OVERHEAR });
    await site.sleep(profile, HOUR);
    const accessTokens = new Set<string>();
    for (const tab of tabs) {
      expect((await tab.ask()).status).toBe(200);
      accessTokens.add(await tab.page.evaluate<string>('client.getAccessToken()'));
    }
    // Had the others refreshed for themselves, nothing would have been handed over.
    expect(site.refreshes()).toHaveLength(1);
    expect(accessTokens.size).toBe(1);
    await tabs[0]!.logOut();
    const said: string[] = [];
    for (const tab of tabs) said.push(...(await tab.page.evaluate<string[]>('overheard')));
    expect(said.length).toBeGreaterThan(0);
    const kept = await Promise.all(tabs.map((tab) => tab.page.evaluate<string>(KEPT)));
    for (const token of accessTokens) {
      for (const part of token.split('.').slice(1)) {
        expect(said.join('\n')).not.toContain(part);
        expect(kept.join('\n')).not.toContain(part);
      }
    }
    for (const text of [...said, ...(carrier === 'cookie' ? kept : [])]) expect(text).not.toContain('rt1_');
  });

  test('keep what they keep in one place, which the cookie carrier has no need of', async () => {
    const { tabs } = await site.openTabs(3, { carrier });
    const stored = await tabs[0]!.page.evaluate<[string, string][]>('Object.entries(localStorage)');
    expect(stored.filter(([, text]) => text.includes('rt1_'))).toHaveLength(carrier === 'web' ? 1 : 0);
    expect(stored.filter(([, text]) => text.includes('eyJ'))).toEqual([]);
  });
});
