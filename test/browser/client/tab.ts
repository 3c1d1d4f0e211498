import type { Page } from 'playwright-core';
import { call } from '../visitor.js';

/** What a request with the access token came to: an answer, or the code of the client's error. */
export interface Asked {
  readonly status?: number;
  readonly name?: string;
  readonly sid?: string;
  readonly code?: string;
  /** it was answered in the name of another session than the one the page has been told of */
  readonly isStrangers?: true;
}

export interface Change {
  readonly reason: string;
  readonly sid: string | null;
}

const PASSWORDS = { alice: 'wonderland', bob: 'builder' };

/** A page that uses the client. */
export class Tab {
  constructor(readonly page: Page) {}

  /** @returns the status of the login */
  logIn(username: keyof typeof PASSWORDS = 'alice'): Promise<number> {
    return call(this.page, 'logIn', username, PASSWORDS[username]);
  }

  logOut(): Promise<string> {
    return call(this.page, 'logOut');
  }

  ask(path = '/me', init: RequestInit = {}): Promise<Asked> {
    return call(this.page, 'ask', path, init);
  }

  /** Refreshes past the client. @returns the status */
  refreshPastIt(fields: object = {}): Promise<number> {
    return call(this.page, 'refreshPastIt', fields);
  }

  /** As the fields of a refresh: none where there is no token in reach of a script. */
  storedToken(): Promise<{ refresh_token?: string }> {
    return this.page.evaluate(`(() => {
      const [, token] = /(rt1_[\\w-]{92})/.exec(Object.values(localStorage).join()) ?? [];
      return token ? { refresh_token: token } : {};
    })()`);
  }

  session(): Promise<{ sid: string } | null | undefined> {
    return this.page.evaluate('client.session');
  }

  /** Everything the page was told of its session, oldest first. */
  changes(): Promise<Change[]> {
    return this.page.evaluate('changes');
  }

  /** What the page has shown, oldest first. */
  shown(): Promise<string[]> {
    return this.page.evaluate('shown');
  }

  /** Resolves when the page knows of no session. */
  async isLoggedOut(): Promise<void> {
    await this.page.waitForFunction('client.session === null && shown.at(-1) === "login"');
  }

  /** Resolves when the page was told so; the clock of the page may stand still meanwhile. */
  async wasTold(reason: string): Promise<void> {
    await this.page.waitForFunction(`changes.some((change) => change.reason === '${reason}')`);
  }

  async reload(): Promise<void> {
    await this.page.reload();
    await this.page.evaluate('started');
  }

  close(): Promise<void> {
    return this.page.close();
  }
}
