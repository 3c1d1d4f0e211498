import { getEventListeners } from 'node:events';
import type { SessionChange, TokenClient, TokenClientOptions } from 'token-family-client';
import { Channels, KeyDatabases, type ChannelClass } from './channels.js';
import { ORIGIN } from './fake-judge.js';
import { FakeServer, type CookieJar } from './fake-server.js';
import { Locks, type LockManager } from './locks.js';
import { SharedText } from './shared-text.js';
import { settle, Time } from './time.js';

/** What a client finds around itself, and what a test changes there. */
export interface Surroundings {
  document?: { visibilityState: string } | undefined;
  location?: { origin: string };
  navigator?: { onLine: boolean; locks?: LockManager | undefined };
  localStorage?: object;
  BroadcastChannel?: ChannelClass | undefined;
  addEventListener?: EventTarget['addEventListener'];
}

export interface TabSettings extends Partial<TokenClientOptions> {
  /** `page`, unless told otherwise; `bare` has nothing of what a page has */
  readonly as?: 'page' | 'bare';
  readonly without?: readonly ('locks' | 'BroadcastChannel')[];
}

interface Loaded {
  readonly surroundings: Surroundings;
  readonly createTokenClient: (options: TokenClientOptions) => TokenClient;
}

/** The client, loaded once for every tab: each has a world of its own around it. */
const loaded: Loaded[] = [];

function load(at: number): Loaded {
  return (loaded[at] ??= loadAnew());
}

function loadAnew(): Loaded {
  const surroundings: Surroundings = {};
  let client!: typeof import('token-family-client');
  jest.isolateModules(() => {
    const path = '../../../libs/client/src/platform.js';
    jest.doMock(path, () => ({ ...jest.requireActual<object>(path), platform: surroundings }));
    client = jest.requireActual('token-family-client');
    jest.dontMock(path);
  });
  return { surroundings, createTokenClient: client.createTokenClient };
}

/** Tabs of one origin, or processes that share a file, before one server, all in one controlled time. */
export class Browser implements CookieJar {
  readonly time = new Time();
  readonly server = new FakeServer(this.time.ofServer);
  readonly storage = new SharedText();
  readonly locks = new Locks();
  readonly channels = new Channels();
  readonly tabs: Tab[] = [];
  /** that of localStorage: where a page leaves behind that a logout is not finished */
  readonly marks = new Map<string, string>();
  cookie: CookieJar['cookie'] = null;

  constructor() {
    Object.assign(globalThis, { indexedDB: new KeyDatabases() });
  }

  open(settings: TabSettings = {}): Tab {
    const tab = new Tab(this, load(this.tabs.length), settings);
    this.tabs.push(tab);
    return tab;
  }

  /** A tab in which somebody has logged in. */
  async openLoggedIn(settings: TabSettings = {}): Promise<Tab & { readonly sid: string }> {
    const tab = this.open(settings);
    const response = await this.server.logIn(settings.storage === 'cookie' ? this : undefined);
    await tab.during(tab.client.setTokens(response));
    return Object.assign(tab, { sid: response.sid });
  }

  async close(): Promise<void> {
    for (const tab of this.tabs) tab.client.dispose();
    await settle();
    this.time.stop();
  }
}

export class Tab {
  readonly client: TokenClient;
  readonly changes: SessionChange[] = [];
  isAlive = true;
  readonly #events = new EventTarget();

  constructor(
    private readonly browser: Browser,
    private readonly it: Loaded,
    { as = 'page', without = [], ...settings }: TabSettings,
  ) {
    const isAlive = () => this.isAlive;
    const locks = without.includes('locks') ? undefined : browser.locks.of(this);
    const BroadcastChannel = without.includes('BroadcastChannel') ? undefined : browser.channels.of(isAlive);
    for (const name of Object.keys(it.surroundings)) delete it.surroundings[name as keyof Surroundings];
    if (as === 'page')
      Object.assign(it.surroundings, {
        document: { visibilityState: 'visible' },
        location: { origin: 'https://app.test' },
        navigator: { onLine: true, locks },
        localStorage: webStorageOf(browser.marks),
        BroadcastChannel,
        addEventListener: this.#events.addEventListener.bind(this.#events),
      } satisfies Surroundings);
    const plain = browser.server.fetchOf(browser);
    this.client = it.createTokenClient({
      baseUrl: ORIGIN,
      storage: browser.storage.storageOf(isAlive),
      fetch: async (...request) => (this.isAlive ? plain(...request) : new Promise<never>(() => {})),
      ...settings,
    });
    this.client.onSessionChange((change) => this.changes.push(change));
  }

  get surroundings(): Surroundings {
    return this.it.surroundings;
  }

  /** How its changes went, in words. */
  get reasons(): string[] {
    return this.changes.map(({ reason }) => reason);
  }

  /** Time passes until `work` is done, for `limit` seconds at most. */
  async during<T>(work: Promise<T>, limit = 120): Promise<T> {
    let isDone = false;
    const done = () => (isDone = true);
    work.then(done, done);
    await this.browser.time.until(() => isDone, limit);
    return work;
  }

  getAccessToken(wish?: Parameters<TokenClient['getAccessToken']>[0]): Promise<string> {
    return this.during(this.client.getAccessToken(wish));
  }

  hide(): void {
    this.#see('hidden');
  }

  show(): void {
    this.#see('visible');
  }

  goOffline(): void {
    this.surroundings.navigator!.onLine = false;
    this.fire('offline');
  }

  goOnline(): void {
    this.surroundings.navigator!.onLine = true;
    this.fire('online');
  }

  /** how many listen to events of that type */
  listening(type: string): number {
    return getEventListeners(this.#events, type).length;
  }

  fire(type: string, details: object = {}): void {
    this.#events.dispatchEvent(Object.assign(new Event(type), details));
  }

  /** As the browser does when it is closed or crashes: in the middle of whatever it is doing, and without a word. */
  kill(): void {
    this.isAlive = false;
    this.browser.locks.abandon(this);
    this.client.dispose();
  }

  #see(visibilityState: string): void {
    this.surroundings.document!.visibilityState = visibilityState;
    this.fire('visibilitychange');
  }
}

function webStorageOf(texts: Map<string, string>): object {
  return {
    getItem: (key: string) => texts.get(key) ?? null,
    setItem: (key: string, value: string) => void texts.set(key, value),
    removeItem: (key: string) => void texts.delete(key),
  };
}
