import type { BrowserContext, Cookie, Page } from 'playwright-core';
import type { TestDatabase } from '../support/database.js';

export const COOKIE_NAME = '__Host-refresh_token';

/** What a page of ours got to see of an answer. */
export interface PageAnswer {
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
}

/** Everything there is to change: the sessions in the database, the cookies in the jar. */
export interface Everything {
  readonly families: readonly Family[];
  readonly cookies: readonly string[];
}

interface Family {
  readonly family_id: string;
  readonly generation: number;
  readonly revoked_at: Date | null;
}

/** One browser profile, with a page of the application open. */
export class Visitor {
  constructor(
    private readonly database: TestDatabase,
    readonly context: BrowserContext,
    readonly page: Page,
  ) {}

  /** @returns what `/auth/login` answered */
  logIn(username = 'alice'): Promise<PageAnswer> {
    return this.post('/auth/login', { username });
  }

  refresh(fields: object = {}, headers?: Readonly<Record<string, string>>): Promise<PageAnswer> {
    return this.post('/auth/refresh', fields, headers);
  }

  post(path: string, fields: object = {}, headers?: Readonly<Record<string, string>>): Promise<PageAnswer> {
    return this.run('post', path, fields, headers);
  }

  /** Calls a function of the page's own script. */
  run<T>(name: string, ...values: unknown[]): Promise<T> {
    return call(this.page, name, ...values);
  }

  /** The refresh cookies in the jar: one, or none. */
  async cookies(): Promise<Cookie[]> {
    return (await this.context.cookies()).filter(({ name }) => name.toLowerCase().includes('refresh_token'));
  }

  /** The value of the one refresh cookie: a token and its key. */
  async cookie(): Promise<string> {
    const [cookie, ...others] = await this.cookies();
    if (cookie?.name !== COOKIE_NAME || others.length > 0) throw new Error('not exactly one refresh cookie');
    return cookie.value;
  }

  /** Puts `value` in its place, as no script could. */
  async putCookie(value: string): Promise<void> {
    const url = new URL(this.page.url()).origin;
    await this.context.addCookies([
      { name: COOKIE_NAME, value, url, httpOnly: true, secure: true, sameSite: 'Strict' },
    ]);
  }

  /** The same profile in another tab, on the same page. */
  async openTab(): Promise<Visitor> {
    const page = await this.context.newPage();
    await page.goto(this.page.url());
    return new Visitor(this.database, this.context, page);
  }

  async everything(): Promise<Everything> {
    const cookies = await this.context.cookies();
    return {
      families: await this.database.query<Family>('select * from refresh_token order by family_id'),
      cookies: cookies.map(({ name, value, domain, path }) => `${domain}${path} ${name}=${value}`).toSorted(),
    };
  }

  async leave(): Promise<void> {
    await this.context.close();
  }
}

/** Calls a function that the script of `page` has declared. */
export function call<T>(page: Page, name: string, ...values: unknown[]): Promise<T> {
  const list = values.map((value) => JSON.stringify(value) ?? 'undefined').join(', ');
  return page.evaluate<T>(`${name}(${list})`);
}
