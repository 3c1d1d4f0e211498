import type { AddressInfo } from 'node:net';
import { NestFactory } from '@nestjs/core';
import type { INestApplication } from '@nestjs/common';
import type { Browser, Page } from 'playwright-core';
import { AppModule } from '../../src/app.module.js';
import { migrate } from '../../src/database/data-source.js';
import { serveDocs } from '../../src/docs/serve-docs.js';
import { readSettings } from '../../src/settings.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { startChromium } from './chromium.js';

const REVOCATIONS_SECRET = 'a-secret-of-thirty-two-letters-or-more';

describe('the docs of the demo', () => {
  let database: TestDatabase;
  let app: INestApplication;
  let browser: Browser;
  let url: string;
  beforeAll(async () => {
    database = await createDatabase({ empty: true });
    await migrate(database.url);
    const settings = readSettings({ REVOCATIONS_SECRET, ISSUER: 'https://demo.test' });
    app = await NestFactory.create(AppModule.create(settings, database.url), { logger: false });
    serveDocs(app);
    await app.listen(0, '127.0.0.1');
    url = `http://127.0.0.1:${(app.getHttpServer().address() as AddressInfo).port}`;
    browser = await startChromium();
  });
  afterAll(async () => {
    await browser?.close();
    await app?.close();
    await database?.drop();
  });

  /** The page as it is when it has drawn its routes, and all that went wrong meanwhile. */
  async function open(width: number, height: number): Promise<{ page: Page; faults: string[] }> {
    const page = await browser.newPage({ viewport: { width, height } });
    const faults: string[] = [];
    page.on('console', (message) => message.type() === 'error' && faults.push(message.text()));
    page.on('pageerror', (error) => faults.push(error.message));
    page.on('requestfailed', (request) => faults.push(request.url()));
    page.on('request', (request) => {
      const isOurs = request.url().startsWith(`${url}/`) || request.url().startsWith('data:');
      if (!isOurs) faults.push(request.url());
    });
    await page.goto(`${url}/docs`);
    await page.getByText('/auth/refresh', { exact: true }).first().waitFor();
    return { page, faults };
  }

  test.each([
    ['a desktop', 1280, 800],
    ['a phone', 390, 844],
  ])(
    'fit the screen of %s, %i wide, without an error and without asking anybody else',
    async (_, ...size) => {
      const { page, faults } = await open(...size);
      expect(faults).toEqual([]);
      expect(await page.evaluate('document.documentElement.scrollWidth <= window.innerWidth')).toBe(true);
      const directory = process.env['SCREENSHOTS'];
      const path = directory && `${directory}/docs-${size[0]}.png`;
      const picture = await page.screenshot({ fullPage: true, ...(path && { path }) });
      // A blank page of that size is a few kilobytes.
      expect(picture.length).toBeGreaterThan(30_000);
      await page.close();
    },
  );

  test('send a request, and show its answer', async () => {
    const { page, faults } = await open(1280, 800);
    const operation = page.locator('.opblock', { hasText: '/health/live' }).first();
    await operation.locator('.opblock-summary').click();
    await operation.getByRole('button', { name: 'Try it out' }).click();
    const answered = page.waitForResponse(`${url}/health/live`);
    await operation.getByRole('button', { name: 'Execute' }).click();
    expect((await answered).status()).toBe(200);
    await operation.locator('.live-responses-table .response-col_status', { hasText: '200' }).waitFor();
    expect(faults).toEqual([]);
    await page.close();
  });

  test('forget a token that was pasted in, with the page', async () => {
    const { page } = await open(1280, 800);
    await page.getByRole('button', { name: 'Authorize' }).first().click();
    await page.locator('.auth-container input[type="text"]').first().fill('pasted-in');
    await page.locator('.auth-container').getByRole('button', { name: 'Apply credentials' }).first().click();
    const kept = 'JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])';
    expect(await page.evaluate(kept)).not.toContain('pasted-in');
    await page.reload();
    await page.getByRole('button', { name: 'Authorize' }).first().click();
    await page.locator('.auth-container input[type="text"]').first().waitFor();
    expect(await page.evaluate('document.body.innerHTML')).not.toContain('pasted-in');
    await page.close();
  });
});
