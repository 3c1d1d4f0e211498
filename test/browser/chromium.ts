import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type Browser, type BrowserContext, type LaunchOptions } from 'playwright-core';

const EXECUTABLE = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium';
/** It asks nobody but us: no update, no sign-in, no guess of its own. */
const QUIET = [
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/**
 * Starts Chromium in a user data directory of its own.
 *
 * @param rules `--host-resolver-rules`: where the names of a test lead
 */
export function startChromium(rules: readonly string[] = []): Promise<Browser> {
  return chromium.launch(launchOptions(rules));
}

/**
 * Starts Chromium as somebody has set it up.
 *
 * @param preferences what Chromium writes into the file of that name
 * @returns its one profile; to close it ends the browser
 */
export async function startChromiumWith(
  preferences: object,
  rules: readonly string[] = [],
): Promise<BrowserContext> {
  const directory = await mkdtemp(join(tmpdir(), 'token-family-browser-'));
  await mkdir(join(directory, 'Default'));
  await writeFile(join(directory, 'Default/Preferences'), JSON.stringify(preferences));
  const context = await chromium.launchPersistentContext(directory, {
    ...launchOptions(rules),
    ignoreHTTPSErrors: true,
  });
  context.once('close', () => void rm(directory, { recursive: true, force: true, maxRetries: 5 }));
  return context;
}

function launchOptions(rules: readonly string[]): LaunchOptions {
  return {
    executablePath: EXECUTABLE,
    args: [...QUIET, ...(rules.length > 0 ? [`--host-resolver-rules=${rules.join(', ')}`] : [])],
  };
}
