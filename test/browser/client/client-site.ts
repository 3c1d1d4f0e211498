import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, BrowserContext } from 'playwright-core';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { startDemo, type DemoProcess } from '../../support/demo-process.js';
import { certificateFor } from '../certificate.js';
import { startChromium, startChromiumWith } from '../chromium.js';
import { Front, type Page, type Seen } from '../front.js';
import { APPLICATION } from '../site.js';
import { bundleClient } from './bundle.js';
import { Expiry } from './expiry.js';
import { Profile, type ProfileSettings } from './profile.js';
import type { Tab } from './tab.js';

const HOST = new URL(APPLICATION).host;
const REFRESH = '/auth/refresh';
const BUSY: Page = {
  status: 503,
  headers: { 'content-type': 'application/json' },
  body: '{"error":"temporarily_unavailable"}',
};
/** The setting "block all cookies", which takes in every other place where a page keeps things. */
const NO_COOKIES = { profile: { default_content_setting_values: { cookies: 2 } } };

interface Family {
  readonly generation: number;
  readonly revoked_at: Date | null;
  readonly revocation_reason: string | null;
}

/** A profile whose tabs are alice's. */
export interface Opened {
  readonly profile: Profile;
  readonly tabs: Tab[];
  readonly sid: string;
}

/** Two nodes of the built demo on one database, in turn behind one origin, and a browser with pages that use the client. */
export class ClientSite {
  #forbidden: BrowserContext | undefined;
  readonly #busy = new Set<string>();

  private constructor(
    readonly database: TestDatabase,
    readonly front: Front,
    private readonly nodes: readonly DemoProcess[],
    private readonly browser: Browser,
    private readonly expiry: Expiry,
  ) {}

  static async start(): Promise<ClientSite> {
    const database = await createDatabase({ empty: true });
    const environment = { DATABASE_URL: database.url, ISSUER: APPLICATION, REVOCATION_POLL_INTERVAL: '0.1s' };
    const nodes = await Promise.all([
      startDemo({ ...environment, HTTP_ADAPTER: 'express' }),
      startDemo({ ...environment, HTTP_ADAPTER: 'fastify' }),
    ]);
    const ports = nodes.map(({ url }) => Number(new URL(url).port));
    const front = await Front.listen(ports, await certificateFor([HOST]));
    await servePages(front);
    const expiry = new Expiry();
    const browser = await startChromium(front.rulesFor([HOST]));
    const site = new ClientSite(database, front, nodes, browser, expiry);
    front.intercept = (path, headers) => (site.#busy.has(path) ? BUSY : expiry.judge(path, headers));
    return site;
  }

  async open(settings: ProfileSettings = {}): Promise<Profile> {
    this.forget();
    const context = await this.browser.newContext({ ignoreHTTPSErrors: true });
    return Profile.open(context, settings);
  }

  /** So many tabs of a profile, in the first of which alice has logged in before the others were opened. */
  async openTabs(count: number, settings: ProfileSettings = {}): Promise<Opened> {
    const profile = await this.open(settings);
    const first = await profile.openTab();
    await first.logIn();
    const others = await Promise.all(Array.from({ length: count - 1 }, () => profile.openTab()));
    this.forget();
    return { profile, tabs: [first, ...others], sid: (await first.session())!.sid };
  }

  /** As `open`, in a browser that is told to let no site keep anything: no cookie, no storage. */
  async openForbidden(): Promise<Profile> {
    this.forget();
    this.#forbidden = await startChromiumWith(NO_COOKIES, this.front.rulesFor([HOST]));
    return Profile.open(this.#forbidden, {});
  }

  /**
   * Everybody leaves, and answers go on again.
   *
   * @throws a session was ended because a token was presented again: of honest pages, none is
   */
  async leave(): Promise<void> {
    this.front.pass();
    this.#busy.clear();
    await Promise.all(this.browser.contexts().map((context) => context.close()));
    await this.#forbidden?.close();
    this.#forbidden = undefined;
    const stolen = await this.database.query(`select 1 from refresh_token where revocation_reason = 'reuse'`);
    if (stolen.length > 0) throw new Error('An honest page was taken for a thief');
  }

  /**
   * Lets the servers' time pass: sessions grow older, and access tokens issued until now expire, where they are as old.
   *
   * @param seconds more than an access token lives
   */
  async passTime(seconds: number): Promise<void> {
    this.expiry.expire(this.front.seen);
    await this.database.passTime(seconds);
  }

  /** As `passTime`, for the pages of `profile` too: what was due in them falls due at once. */
  async sleep(profile: Profile, seconds: number): Promise<void> {
    await this.passTime(seconds);
    await profile.context.clock.fastForward(seconds * 1000);
  }

  /** From now on, requests to `path` are answered that the server is busy; no node hears of them. */
  keepBusy(path: string): void {
    this.#busy.add(path);
  }

  /** All requests reach the nodes again. */
  recover(): void {
    this.#busy.clear();
  }

  /** Requests to refresh that were answered since the profile was opened, or since `forget`. */
  refreshes(): Seen[] {
    return this.front.seen.filter(({ path }) => path === REFRESH);
  }

  forget(): void {
    this.expiry.remember(this.front.seen);
    this.front.forget();
  }

  async family(sid: string | undefined): Promise<Family> {
    const [family] = await this.database.query<Family>(
      'select generation, revoked_at, revocation_reason from refresh_token where family_id = $1',
      [sid],
    );
    return family!;
  }

  async close(): Promise<void> {
    await this.browser.close();
    this.front.close();
    await Promise.all(this.nodes.map((node) => node.stop()));
    await this.database.drop();
  }
}

async function servePages(front: Front): Promise<void> {
  const script = readFileSync(join(__dirname, '../pages/client.js'), 'utf8');
  const headers = { 'content-type': 'text/javascript' };
  front.serve(`${APPLICATION}/client.js`, { headers, body: await bundleClient() });
  front.serve(`${APPLICATION}/page.js`, { headers, body: script });
  const scripts = ['/client.js', '/page.js'].map((path) => `<script src="${path}"></script>`).join('');
  front.serve(`${APPLICATION}/`, { body: `<!doctype html><body>${scripts}</body>` });
  front.serve(`${APPLICATION}/elsewhere`, { body: '<!doctype html><body>elsewhere</body>' });
}
