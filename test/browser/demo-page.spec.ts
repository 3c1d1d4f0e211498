import type { Browser, BrowserContext, Page } from 'playwright-core';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { startDemo, type DemoProcess } from '../support/demo-process.js';
import { startChromium } from './chromium.js';

let database: TestDatabase;
let browser: Browser;
beforeAll(async () => {
  database = await createDatabase({ empty: true });
  browser = await startChromium();
});
afterAll(async () => {
  await browser?.close();
  await database?.drop();
});

describe.each(['express', 'fastify'])("the demo's page, on %s", (adapter) => {
  let demo: DemoProcess;
  let context: BrowserContext;
  let faults: string[];
  beforeAll(async () => {
    demo = await startDemo({ DATABASE_URL: database.url, HTTP_ADAPTER: adapter });
  });
  afterAll(() => demo?.stop());
  beforeEach(async () => {
    context = await browser.newContext();
    faults = [];
  });
  afterEach(() => context?.close());

  async function open(): Promise<Page> {
    const page = await context.newPage();
    // A refusal is no fault of the page: the browser writes each one down.
    page.on('console', (message) => {
      if (message.type() === 'error' && !/status of 40[01]/.test(message.text())) faults.push(message.text());
    });
    page.on('pageerror', (error) => faults.push(error.message));
    await page.goto(`${demo.url}/`);
    return page;
  }

  async function logIn(page: Page, name = 'alice', password = 'wonderland'): Promise<void> {
    await page.getByLabel('Name').fill(name);
    await page.getByLabel('Password').fill(password);
    await page.getByRole('button', { name: 'Log in' }).click();
  }

  const isLoggedIn = (page: Page, name = 'alice'): Promise<void> =>
    page.locator('#name', { hasText: name }).waitFor();
  const isLoggedOut = (page: Page): Promise<void> =>
    page.getByRole('heading', { name: 'Log in', exact: true }).waitFor();
  const told = (page: Page, reason: string): Promise<void> =>
    page.locator('#log li', { hasText: `(${reason})` }).waitFor();

  test('logs in, and is still logged in after a reload', async () => {
    const page = await open();
    await isLoggedOut(page);
    await logIn(page, 'alice', 'wrong');
    await page.getByRole('alert').filter({ hasText: 'wrong' }).waitFor();
    await logIn(page);
    await isLoggedIn(page);
    await told(page, 'login');
    await page.reload();
    await isLoggedIn(page);
    await told(page, 'restored');
    expect(await page.locator('#refreshes').textContent()).toBe('1');
    await page.locator('#next', { hasText: /^in \d+:\d\d to \d+:\d\d$/ }).waitFor();
    expect(page.url()).toBe(`${demo.url}/`);
    expect(faults).toEqual([]);
  });

  test('shows a second tab the session of the first, and a logout in either ends both', async () => {
    const first = await open();
    await logIn(first);
    await isLoggedIn(first);
    const opening = context.waitForEvent('page');
    await first.getByRole('link', { name: 'a second tab' }).click();
    const second = await opening;
    await isLoggedIn(second);
    expect(await second.locator('#sid').textContent()).toBe(await first.locator('#sid').textContent());
    await second.getByRole('button', { name: 'Log out' }).click();
    for (const page of [first, second]) {
      await isLoggedOut(page);
      await told(page, 'logout');
    }
    await first.reload();
    await isLoggedOut(first);
    expect(faults).toEqual([]);
  });

  test('ends other sessions, and its own as another device would', async () => {
    const elsewhere = await browser.newContext();
    const other = await elsewhere.newPage();
    await other.goto(`${demo.url}/`);
    await logIn(other, 'bob', 'builder');
    await isLoggedIn(other, 'bob');
    const page = await open();
    await logIn(page, 'bob', 'builder');
    await isLoggedIn(page, 'bob');
    await page.locator('#session-list li').nth(1).waitFor();
    await page.getByRole('button', { name: 'End all others' }).click();
    await page.locator('#session-list li').nth(1).waitFor({ state: 'detached' });
    await other.getByRole('button', { name: 'Who am I?' }).click();
    await told(other, 'invalid_grant');
    await page.getByRole('button', { name: 'End the session' }).click();
    await told(page, 'invalid_grant');
    await isLoggedOut(page);
    await elsewhere.close();
    expect(faults).toEqual([]);
  });

  /** Bob logs in where the client does not hear of it: nothing changes but the cookie. */
  const putCookieOfBob = (page: Page): Promise<unknown> =>
    page.evaluate(`fetch('/auth/login', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'X-Token-Carrier': 'cookie' },
      body: JSON.stringify({ username: 'bob', password: 'builder' }),
    })`);

  test('tells a tab that its user was replaced by another, and shows the other', async () => {
    const first = await open();
    const second = await open();
    await logIn(first);
    await isLoggedIn(second);
    // As on an application's page for logins, which asks nobody who is logged in.
    await second.evaluate('document.getElementById("login").hidden = false');
    await logIn(second, 'bob', 'builder');
    await isLoggedIn(second, 'bob');
    await told(first, 'replaced');
    await isLoggedIn(first, 'bob');
    expect(faults).toEqual([]);
  });

  test('does the same in a tab that no message reaches, when it next has to refresh', async () => {
    await context.addInitScript('delete globalThis.BroadcastChannel');
    const page = await open();
    await logIn(page);
    await isLoggedIn(page);
    await putCookieOfBob(page);
    await page.locator('li', { hasText: 'this one' }).getByRole('button').click();
    await told(page, 'replaced');
    await isLoggedIn(page, 'bob');
  });

  test.each([
    ['a desktop', 1280, 800],
    ['a phone', 390, 844],
  ])('fits the screen of %s, %i wide, logged in or not', async (_, width, height) => {
    const page = await open();
    await page.setViewportSize({ width, height });
    await isLoggedOut(page);
    const fits = 'document.documentElement.scrollWidth <= window.innerWidth';
    expect(await page.evaluate(fits)).toBe(true);
    await logIn(page);
    await isLoggedIn(page);
    expect(await page.evaluate(fits)).toBe(true);
    const directory = process.env['SCREENSHOTS'];
    if (directory) await page.screenshot({ fullPage: true, path: `${directory}/page-${width}.png` });
  });
});
