import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Evaluates a text in a fresh process, where packages are resolved by name to what was built. */
async function evaluate(type: 'module' | 'commonjs', text: string): Promise<unknown> {
  const { stdout } = await run(process.execPath, [`--input-type=${type}`, '-e', text]);
  return JSON.parse(stdout);
}

const PUBLIC_NAMES = [
  'AuthModule',
  'TokenService',
  'AccessGuard',
  'RefreshGuard',
  'RefreshToken',
  'tokenFamilyMigrations',
];

test('the front door opens for import', async () => {
  const text = `import * as door from 'nestjs-token-family'; console.log(JSON.stringify(Object.keys(door)))`;
  expect(await evaluate('module', text)).toEqual(expect.arrayContaining(PUBLIC_NAMES));
});

test('the front door opens for require', async () => {
  const text = `console.log(JSON.stringify(Object.keys(require('nestjs-token-family'))))`;
  expect(await evaluate('commonjs', text)).toEqual(expect.arrayContaining(PUBLIC_NAMES));
});

test('the side door of the TypeORM command line opens without NestJS', async () => {
  const text = `require('nestjs-token-family/typeorm');
    console.log(JSON.stringify(Object.keys(require.cache).filter((path) => path.includes('@nestjs'))))`;
  expect(await evaluate('commonjs', text)).toEqual([]);
});

/** Every module a program loads, ESM and CommonJS alike, by the addresses it resolves them to. */
async function modulesLoadedBy(specifier: string): Promise<string[]> {
  const hooks = `export const resolve = async (specifier, context, next) => {
    const resolved = await next(specifier, context);
    process._rawDebug(resolved.url);
    return resolved;
  }`;
  const text = `import { register, createRequire } from 'node:module';
    register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(hooks)}));
    await import('${specifier}');
    console.log(JSON.stringify(Object.keys(createRequire(import.meta.url).cache)));`;
  const { stdout, stderr } = await run(process.execPath, ['--input-type=module', '-e', text]);
  return [
    ...stderr.split('\n').filter((line) => line.startsWith('file:')),
    ...(JSON.parse(stdout) as string[]),
  ];
}

const DATABASE = /\/node_modules\/(?:typeorm|pg|pg-[\w-]+|@nestjs\/typeorm)\//;

test('the resource-server door opens without TypeORM and without a driver', async () => {
  const loaded = await modulesLoadedBy('nestjs-token-family/resource-server');
  expect(loaded.filter((path) => path.includes('/@nestjs/common/')).length).toBeGreaterThan(10);
  expect(loaded.filter((path) => DATABASE.test(path))).toEqual([]);
  // The other way round the count is not zero, so the count counts.
  const front = await modulesLoadedBy('nestjs-token-family');
  expect(front.filter((path) => DATABASE.test(path)).length).toBeGreaterThan(10);
});

test('the front door opens without jose', async () => {
  const loaded = await modulesLoadedBy('nestjs-token-family');
  expect(loaded.filter((path) => path.includes('/node_modules/jose/'))).toEqual([]);
});

test('the resource-server door opens for require', async () => {
  const text = `console.log(JSON.stringify(Object.keys(require('nestjs-token-family/resource-server'))))`;
  expect(await evaluate('commonjs', text)).toEqual(
    expect.arrayContaining(['ResourceServerModule', 'AccessGuard', 'RequireScope']),
  );
});

test('the client opens for both, and brings nothing along', async () => {
  expect(
    await evaluate('commonjs', `console.log(JSON.stringify(Object.keys(require('token-family-client'))))`),
  ).toEqual([]);
  const text = `import * as door from 'token-family-client'; console.log(JSON.stringify(Object.keys(door)))`;
  expect(await evaluate('module', text)).toEqual([]);
});
