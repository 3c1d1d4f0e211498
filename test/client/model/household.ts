import { Browser, type Tab } from '../support/browser.js';
import { LIFETIME } from '../support/fake-server.js';
import { TROUBLES, type Command, type Run } from './commands.js';

/** Tabs that are open at once. */
const MOST = 5;
/** Seconds after which whoever waits has been told. */
const PATIENCE = 31;

export function violation(what: string): Error {
  return new Error(`Broken promise: ${what}`);
}

interface Need {
  readonly tab: Tab;
  isOver: boolean;
}

/** An honest user's tabs, before a network that is not. It breaks off at the first broken promise. */
export class Household {
  readonly browser = new Browser();
  #tabs: Tab[] = [];
  readonly #needs: Need[] = [];
  /** the session of now; null after a logout */
  sid: string | null = null;
  /** tabs that had a token of the session of now: they may not lose it without a reason */
  readonly #settled = new Set<Tab>();
  #violation: Error | undefined;
  #areLocked = true;
  /** whether the tabs have ever not heard each other */
  #wereDeaf = false;

  constructor(private readonly carrier: Run['carrier']) {}

  get tabs(): readonly Tab[] {
    return this.#tabs;
  }

  async begin(tabs: number): Promise<void> {
    for (let count = 0; count < tabs; count++) this.#open();
    await this.#logIn(this.#tabs[0]!);
  }

  async carryOut(command: Command): Promise<void> {
    await this.#do(command);
    this.check();
  }

  check(): void {
    if (this.#violation) throw this.#violation;
    if (this.browser.server.count('reused') > 0) throw violation('an honest client was taken for a thief');
  }

  /** Everything is well again: whoever is there gets a token of the same session, and nobody hangs. */
  async recover(): Promise<void> {
    const { server, time } = this.browser;
    for (const route of ['auth/refresh', 'auth/logout']) server.calm(route);
    for (const tab of this.#tabs) {
      tab.goOnline();
      tab.show();
    }
    if (this.#tabs.length === 0) this.#open();
    await time.pass(PATIENCE + 30);
    this.check();
    if (this.#needs.some(({ tab, isOver }) => tab.isAlive && !isOver)) throw violation('somebody hangs');
    if (this.sid === null) return;
    this.#reloadTheDeaf();
    // A tab that has not heard of the last login hears now. No sleep: beside a clock that was set back it is not noticed.
    await time.pass(LIFETIME);
    for (const tab of this.#tabs) await tab.getAccessToken().catch(() => {});
    for (let round = 0; round < 2; round++) {
      time.sleep(LIFETIME);
      const [first] = this.#tabs;
      const answers = await first!.during(Promise.all(this.#tabs.map(({ client }) => client.fetch('/me'))));
      if (answers.some(({ status }) => status !== 200)) throw violation('a tab has no access');
      if (this.#tabs.some(({ client }) => client.session?.sid !== this.sid))
        throw violation('the tabs disagree');
    }
    this.check();
  }

  /** A page that was logged out, and cannot look at the cookie, knows of a login by hearsay only. */
  #reloadTheDeaf(): void {
    if (!this.#wereDeaf || this.carrier !== 'cookie') return;
    for (const tab of this.#tabs.filter(({ client }) => client.session === null)) {
      this.#kill(tab);
      this.#open();
    }
  }

  #kill(tab: Tab): void {
    tab.kill();
    this.#tabs = this.#tabs.filter((one) => one !== tab);
  }

  async #do(command: Command): Promise<void> {
    if ('who' in command) {
      const tab = this.#tabs[command.who % this.#tabs.length];
      return tab && this.#doIn(tab, command.do);
    }
    const { server, time, locks, channels } = this.browser;
    switch (command.do) {
      case 'open':
        return this.#open();
      case 'changeKey':
        return server.changeKey();
      case 'toggleLocks':
        this.#areLocked = !this.#areLocked;
        for (const tab of this.#tabs)
          tab.surroundings.navigator!.locks = this.#areLocked ? locks.of(tab) : undefined;
        return;
      case 'toggleChannels':
        channels.areHeard = !channels.areHeard;
        this.#wereDeaf = true;
        return;
      case 'pass':
        return time.pass(command.seconds);
      case 'sleep':
        return time.sleep(command.seconds);
      case 'setWall':
        return time.setWall(command.seconds);
      case 'trouble':
        server.next(`auth/${command.route}`, ...command.troubles.map((name) => TROUBLES[name]));
        return;
    }
  }

  async #doIn(tab: Tab, what: Extract<Command, { who: number }>['do']): Promise<void> {
    switch (what) {
      case 'need':
        return this.#need(tab, tab.client.getAccessToken());
      case 'fetch':
        return this.#need(tab, tab.client.fetch('/me'));
      case 'kill':
        return this.#kill(tab);
      case 'logIn':
        return this.#logIn(tab);
      case 'logOut':
        this.sid = null;
        this.#settled.clear();
        tab.client.logout().catch(() => {});
        return;
      case 'hide':
      case 'show':
      case 'goOffline':
      case 'goOnline':
        return tab[what]();
    }
  }

  #open(): void {
    if (this.#tabs.length >= MOST) return;
    const tab = this.browser.open({
      ...(this.carrier === 'cookie' && { storage: 'cookie' }),
      without: this.#areLocked ? [] : ['locks'],
    });
    this.#tabs.push(tab);
    tab.client.onSessionChange(({ reason }) => {
      if (reason === 'invalid_grant' && this.#settled.has(tab) && tab.isAlive)
        this.#violation = violation('an honest client was told invalid_grant');
    });
  }

  async #logIn(tab: Tab): Promise<void> {
    // Whoever logs out in one tab and in again in another has to look for the other one.
    await this.browser.time.pass(1);
    const isCookie = this.carrier === 'cookie';
    const { server, time } = this.browser;
    // Where an answer to somebody before crosses that of the login, the browser keeps the cookie that comes last.
    if (isCookie)
      await time.until(() => ['auth/refresh', 'auth/logout'].every((route) => server.underWay(route) === 0));
    const response = await server.logIn(isCookie ? this.browser : undefined);
    this.sid = response.sid;
    this.#settled.clear();
    await tab.during(tab.client.setTokens(response));
  }

  #need(tab: Tab, work: Promise<unknown>): void {
    const need: Need = { tab, isOver: false };
    this.#needs.push(need);
    work.then(
      (got) => {
        need.isOver = true;
        if (typeof got === 'string' && this.sid !== null && got.endsWith(this.sid)) this.#settled.add(tab);
      },
      ({ code }: { code?: string }) => {
        need.isOver = true;
        const isExpected = code === 'ERR_UNAVAILABLE' || (code === 'ERR_DISPOSED' && !tab.isAlive);
        const isOld = code === 'ERR_NO_SESSION' && !this.#settled.has(tab);
        if (!isExpected && !isOld) this.#violation = violation(`somebody was told ${code}`);
      },
    );
  }
}
