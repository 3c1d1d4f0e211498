import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { NestApplicationOptions } from '@nestjs/common';
import type { Browser, BrowserContext } from 'playwright-core';
import { createDatabase, type TestDatabase } from '../support/database.js';
import type { Adapter } from '../support/node.js';
import { startApplication, type Application } from './application.js';
import { certificateFor } from './certificate.js';
import { startChromium } from './chromium.js';
import { Front } from './front.js';
import { Visitor } from './visitor.js';

/** The application; other hosts of the same site, to which the browser counts its cookies; and somebody else. */
export const APPLICATION = 'https://app.token.test';
export const SIBLING = 'https://other.token.test';
export const FRIEND = 'https://friend.token.test';
export const ATTACKER = 'https://attacker.example';
const NAMES = [APPLICATION, SIBLING, FRIEND, ATTACKER].map((origin) => new URL(origin).host);

type Jar = Awaited<ReturnType<BrowserContext['storageState']>>;

export interface SiteSettings {
  readonly adapter?: Adapter;
  /** the option of AuthModule */
  readonly origins?: readonly string[];
  /** what `enableCors` is given; it is not called without */
  readonly cors?: NestApplicationOptions['cors'];
}

/** A real node behind TLS on several names, and a real browser that finds it there. */
export class Site {
  private constructor(
    readonly database: TestDatabase,
    readonly application: Application,
    readonly front: Front,
    readonly browser: Browser,
  ) {}

  static async start({ adapter = 'express', origins, cors }: SiteSettings = {}): Promise<Site> {
    const database = await createDatabase();
    const application = await startApplication({ url: database.url, adapter, origins, cors });
    const front = await Front.listen([application.port], await certificateFor(NAMES));
    for (const origin of [APPLICATION, FRIEND]) serveScript(front, origin, 'application.js');
    for (const origin of [SIBLING, ATTACKER]) {
      serveScript(front, origin, 'attacker.js');
      serveDetours(front, origin);
    }
    return new Site(database, application, front, await startChromium(front.rulesFor(NAMES)));
  }

  /**
   * Somebody with a jar of their own, on the application's page.
   *
   * @param jar what they left the last time
   */
  async visit(jar?: Jar): Promise<Visitor> {
    const context = await this.browser.newContext({
      ignoreHTTPSErrors: true,
      ...(jar && { storageState: jar }),
    });
    const page = await context.newPage();
    await page.goto(APPLICATION);
    this.front.forget();
    return new Visitor(this.database, context, page);
  }

  /** Somebody who has logged in with the cookie carrier, and whose first token is older than the leeway. */
  async visitLoggedIn(): Promise<Visitor> {
    const visitor = await this.visit();
    await visitor.logIn();
    await this.database.passTime(60);
    this.front.forget();
    return visitor;
  }

  async close(): Promise<void> {
    await this.browser.close();
    this.front.close();
    await this.application.close();
    await this.database.drop();
  }
}

/** Ways to the application that lead over an answer of somebody else: a redirect, and a policy that is violated. */
function serveDetours(front: Front, origin: string): void {
  for (const path of ['/auth/refresh', '/auth/logout']) {
    const target = `${APPLICATION}${path}`;
    front.serve(`${origin}/away${path}`, { status: 307, headers: { location: target } });
    front.serve(`${origin}/reporting${path}`, {
      headers: { 'content-security-policy': `img-src 'none'; report-uri ${target}` },
      body: '<!doctype html><img src="/forbidden.png">',
    });
  }
}

/** A page at `/` whose one script says all that it does. */
function serveScript(front: Front, origin: string, script: string): void {
  const body = readFileSync(join(__dirname, 'pages', script), 'utf8');
  front.serve(`${origin}/page.js`, { headers: { 'content-type': 'text/javascript' }, body });
  front.serve(`${origin}/`, { body: '<!doctype html><body><script src="/page.js"></script></body>' });
}
