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

test('the client opens for both, and brings nothing along', async () => {
  expect(
    await evaluate('commonjs', `console.log(JSON.stringify(Object.keys(require('token-family-client'))))`),
  ).toEqual([]);
  const text = `import * as door from 'token-family-client'; console.log(JSON.stringify(Object.keys(door)))`;
  expect(await evaluate('module', text)).toEqual([]);
});
