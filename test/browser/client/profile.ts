import type { BrowserContext, Page } from 'playwright-core';
import { APPLICATION } from '../site.js';
import { Tab } from './tab.js';

/** Where the pages of a profile keep the refresh token. */
export type Carrier = 'cookie' | 'web';
export const CARRIERS = ['cookie', 'web'] as const satisfies readonly Carrier[];

/** What a browser may not have, and how a page is made to find it missing. */
const REMOVALS = {
  'Web Locks': `Object.defineProperty(Navigator.prototype, 'locks', { value: undefined });`,
  BroadcastChannel: `delete globalThis.BroadcastChannel;`,
  'crypto.subtle': `Object.defineProperty(Crypto.prototype, 'subtle', { value: undefined });`,
  IndexedDB: `delete globalThis.indexedDB;`,
  localStorage: `Object.defineProperty(globalThis, 'localStorage', {
    get() { throw new DOMException('denied', 'SecurityError'); },
  });`,
};
export type Feature = keyof typeof REMOVALS;

export interface ProfileSettings {
  readonly carrier?: Carrier;
  /** what this browser lacks */
  readonly without?: readonly Feature[];
  /** the client's options of these names, in seconds */
  readonly timeout?: number;
  readonly patience?: number;
  /** what every page runs before its own scripts */
  readonly script?: string;
  /** when the pages' clocks begin, milliseconds since the epoch */
  readonly time?: number;
}

/** One browser profile: its tabs share a cookie jar, a storage and a clock. */
export class Profile {
  private constructor(
    readonly context: BrowserContext,
    private readonly url: string,
  ) {}

  static async open(context: BrowserContext, settings: ProfileSettings): Promise<Profile> {
    const { carrier = 'cookie', without = [], script, time, ...numbers } = settings;
    await context.clock.install({ ...(time !== undefined && { time }) });
    for (const feature of without) await context.addInitScript(REMOVALS[feature]);
    if (script !== undefined) await context.addInitScript(script);
    const url = new URL(APPLICATION);
    if (carrier === 'web') url.searchParams.set('web', '');
    for (const [name, value] of Object.entries(numbers)) url.searchParams.set(name, String(value));
    return new Profile(context, url.href);
  }

  /** A page that has found out whether somebody is logged in. */
  async openTab(): Promise<Tab> {
    const page = await this.context.newPage();
    await page.goto(this.url);
    await page.evaluate('started');
    return new Tab(page);
  }

  /**
   * Sets the pages' wall clocks, by what they take for the time: no timer falls due, and the monotonic clock goes on as if
   * nothing had been.
   *
   * @param seconds may be negative
   */
  async skipTime(seconds: number): Promise<void> {
    const now = await this.context.pages()[0]!.evaluate<number>('Date.now()');
    await this.context.clock.setSystemTime(now + seconds * 1000);
  }

  /** Tells which page sends the next request to `path`. */
  async sender(path: string): Promise<Page> {
    const request = await this.context.waitForEvent(
      'request',
      (each) => new URL(each.url()).pathname === path,
    );
    return request.frame().page();
  }
}
