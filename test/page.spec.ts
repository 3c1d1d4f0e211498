import { createDatabase, type TestDatabase } from './support/database.js';
import { startDemo, type DemoProcess } from './support/demo-process.js';

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase({ empty: true });
});
afterAll(() => database?.drop());

describe.each(['express', 'fastify'])("the demo's page, on %s", (adapter) => {
  let demo: DemoProcess;
  beforeAll(async () => {
    demo = await startDemo({ DATABASE_URL: database.url, HTTP_ADAPTER: adapter });
  });
  afterAll(() => demo?.stop());

  /** What a browser loads of it, by address, with status and type: the page, what that names, what its modules import. */
  async function load(path = '/', loaded = new Map<string, string>()): Promise<Map<string, string>> {
    if (loaded.has(path)) return loaded;
    const answer = await fetch(`${demo.url}${path}`);
    loaded.set(path, `${answer.status} ${answer.headers.get('content-type')}`);
    const text = await answer.text();
    const names =
      path === '/'
        ? text.matchAll(/<(?:script|link)[^>]* (?:src|href)="([^"]+)"/g)
        : text.matchAll(/^(?:import|export)\b[^;]*? from '([^']+)';/gm);
    for (const [, name] of names) await load(new URL(name!, answer.url).pathname, loaded);
    return loaded;
  }

  test('loads from this server, each file of its type, the client as it is published', async () => {
    const loaded = await load();
    expect(Object.fromEntries(loaded)).toMatchObject({
      '/': '200 text/html; charset=utf-8',
      '/page/page.js': '200 text/javascript; charset=utf-8',
      '/page/page.css': '200 text/css; charset=utf-8',
      '/page/icon.svg': '200 image/svg+xml',
      '/client/index.js': '200 text/javascript; charset=utf-8',
      '/client/token-client.js': '200 text/javascript; charset=utf-8',
    });
    expect([...loaded.values()].filter((each) => !each.startsWith('200 '))).toEqual([]);
    expect(loaded.size).toBeGreaterThan(15);
  });

  test('runs nothing but what comes from here, is framed by nobody, and is asked for anew', async () => {
    const { headers } = await fetch(`${demo.url}/`);
    const policy = headers.get('content-security-policy')!.split('; ');
    expect(policy).toEqual(
      expect.arrayContaining([`default-src 'self'`, `frame-ancestors 'none'`, `form-action 'none'`]),
    );
    expect(policy.join()).not.toMatch(/unsafe|\*|data:|https?:/);
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('cache-control')).toBe('no-cache');
    expect(headers.get('set-cookie')).toBeNull();
  });

  test('has no script and no style in its text', async () => {
    const html = await (await fetch(`${demo.url}/`)).text();
    expect(html).not.toMatch(/<script(?![^>]* src=)|<style|\sstyle=|\son\w+=|javascript:/i);
  });

  test.each([
    '/client/file.js',
    '/client/package.json',
    '/client/index.d.ts',
    '/client/file%2Ffile-storage.js',
    '/client/..%2Fpackage.json',
    '/client/..%2F..%2Fsrc%2Findex.ts',
    '/page/..%2Fpage.controller.js',
    '/page/index.html',
    '/page/nothing.js',
  ])('is all there is: %s is not found', async (path) => {
    expect((await fetch(`${demo.url}${path}`)).status).toBe(404);
  });

  test('is what the welcome names', () => {
    expect(demo.output()).toContain(`In a browser, ${demo.url}/ `);
  });
});
