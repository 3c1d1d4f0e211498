import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import ts from 'typescript';

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

test.each([
  ['prometheus', ['registerTokenMetrics']],
  ['opentelemetry', ['observeTokenMetrics']],
])('the door %s opens for import and for require, and brings nothing of Nest', async (door, names) => {
  const specifier = `nestjs-token-family/${door}`;
  expect(
    await evaluate('commonjs', `console.log(JSON.stringify(Object.keys(require('${specifier}'))))`),
  ).toEqual(names);
  const loaded = await modulesLoadedBy(specifier);
  expect(loaded.filter((path) => /\/@nestjs\/|\/typeorm\//.test(path))).toEqual([]);
  const text = `import * as door from '${specifier}'; console.log(JSON.stringify(Object.keys(door)))`;
  expect(await evaluate('module', text)).toEqual(names);
});

test('the door openapi opens for import and for require, without TypeORM and without a driver', async () => {
  const names = ['ApiAccess', 'ApiClient', 'ApiTokenResponse', 'describeTokens'];
  const text = `console.log(JSON.stringify(Object.keys(require('nestjs-token-family/openapi'))))`;
  expect(((await evaluate('commonjs', text)) as string[]).toSorted()).toEqual(names);
  const loaded = await modulesLoadedBy('nestjs-token-family/openapi');
  expect(loaded.filter((path) => DATABASE.test(path))).toEqual([]);
  expect(loaded.filter((path) => path.includes('/@nestjs/swagger/')).length).toBeGreaterThan(10);
  const front = await modulesLoadedBy('nestjs-token-family');
  expect(front.filter((path) => path.includes('/@nestjs/swagger/'))).toEqual([]);
});

test('the door throttler opens for import and for require, without TypeORM and without a driver', async () => {
  const names = ['TokenThrottlerGuard', 'clientAddress'];
  const text = `console.log(JSON.stringify(Object.keys(require('nestjs-token-family/throttler'))))`;
  expect(((await evaluate('commonjs', text)) as string[]).toSorted()).toEqual(names);
  const loaded = await modulesLoadedBy('nestjs-token-family/throttler');
  expect(loaded.filter((path) => DATABASE.test(path))).toEqual([]);
  expect(loaded.filter((path) => path.includes('/@nestjs/throttler/')).length).toBeGreaterThan(5);
  const front = await modulesLoadedBy('nestjs-token-family');
  expect(front.filter((path) => path.includes('/@nestjs/throttler/'))).toEqual([]);
});

/** An application of somebody strict, which reads our types as they were built. */
const CONSUMER = `
  import { TokenHealth, TokenMetrics, type HealthReport, type Metric } from 'nestjs-token-family';
  import { TokenMetrics as Verifying } from 'nestjs-token-family/resource-server';
  import { ApiAccess, ApiClient, ApiTokenResponse, describeTokens } from 'nestjs-token-family/openapi';
  import { observeTokenMetrics } from 'nestjs-token-family/opentelemetry';
  import { registerTokenMetrics } from 'nestjs-token-family/prometheus';
  import { clientAddress, TokenThrottlerGuard, type ThrottledRequest } from 'nestjs-token-family/throttler';
  import { DocumentBuilder } from '@nestjs/swagger';
  import { metrics as api } from '@opentelemetry/api';
  import { register, Registry } from 'prom-client';
  export function watch(metrics: TokenMetrics, verifying: Verifying): Metric[] {
    registerTokenMetrics(metrics);
    registerTokenMetrics(verifying, register);
    registerTokenMetrics(metrics, new Registry());
    const stop: () => void = observeTokenMetrics(metrics, api.getMeter('own'));
    stop();
    return metrics.read();
  }
  @ApiAccess()
  export class Described {
    @ApiClient()
    @ApiTokenResponse()
    login(): void {}

    @ApiAccess()
    me(): void {}
  }
  export const config = describeTokens(new DocumentBuilder()).setTitle('Mine').build();
  export class Throttling extends TokenThrottlerGuard {
    protected override subjectOf({ ip }: ThrottledRequest): string {
      return clientAddress(ip);
    }
  }
  export const ready = (health: TokenHealth): Promise<HealthReport> => health.ready();
`;

test('the doors compile in a strict application, ESM or CommonJS', () => {
  const consumers = [resolve('consumer.mts'), resolve('consumer.cts')];
  const options: ts.CompilerOptions = {
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    noPropertyAccessFromIndexSignature: true,
    isolatedModules: true,
    experimentalDecorators: true,
    noEmit: true,
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.NodeNext,
    types: ['node'],
  };
  const host = ts.createCompilerHost(options);
  host.readFile = (path) => (consumers.includes(path) ? CONSUMER : ts.sys.readFile(path));
  host.fileExists = (path) => consumers.includes(path) || ts.sys.fileExists(path);
  const program = ts.createProgram(consumers, options, host);
  const files = program.getSourceFiles();
  const built = files.filter(({ fileName }) => fileName.includes('/libs/auth/dist/'));
  expect(built.length).toBeGreaterThan(10);
  expect(files.filter(({ fileName }) => fileName.includes('/libs/auth/src/'))).toEqual([]);
  const read = [...consumers.map((path) => program.getSourceFile(path)), ...built];
  const faults = read.flatMap((file) => ts.getPreEmitDiagnostics(program, file));
  expect(faults.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, ' '))).toEqual([]);
});

test.each([
  ['token-family-client', ['TokenClientError', 'createTokenClient', 'memoryStorage', 'webStorage']],
  ['token-family-client/file', ['FileStorageError', 'fileStorage']],
])('the door %s opens for import and for require', async (specifier, names) => {
  const required = `console.log(JSON.stringify(Object.keys(require('${specifier}'))))`;
  expect(((await evaluate('commonjs', required)) as string[]).toSorted()).toEqual(names);
  const imported = `import * as door from '${specifier}'; console.log(JSON.stringify(Object.keys(door)))`;
  expect(((await evaluate('module', imported)) as string[]).toSorted()).toEqual(names);
});

/** Every module of Node's own that a program asks for, by import or by require. */
async function builtInsLoadedBy(specifier: string, type: 'import' | 'require'): Promise<string[]> {
  const load = type === 'import' ? `await import('${specifier}')` : `require('${specifier}')`;
  const text = `import Module, { createRequire, isBuiltin, register } from 'node:module';
    const seen = [];
    const load = Module._load;
    Module._load = (name, ...rest) => (isBuiltin(name) && seen.push(name), load(name, ...rest));
    const hooks = 'export const resolve = (name, context, next) => (process._rawDebug("loads " + name), next(name, context))';
    register('data:text/javascript,' + encodeURIComponent(hooks));
    const require = createRequire(process.cwd() + '/consumer.cjs');
    ${load};
    console.log(JSON.stringify(seen));`;
  const { stdout, stderr } = await run(process.execPath, ['--input-type=module', '-e', text]);
  const imported = [...stderr.matchAll(/^loads (node:\S+)$/gm)].map(([, name]) => name!);
  return [...imported, ...(JSON.parse(stdout) as string[])].toSorted();
}

test.each(['import', 'require'] as const)('the client brings nothing of Node along, by %s', async (type) => {
  expect(await builtInsLoadedBy('token-family-client', type)).toEqual([]);
  // Its other door does, so the count counts.
  expect(await builtInsLoadedBy('token-family-client/file', type)).toContain('node:path');
});

test('neither door of the client brings another package along', async () => {
  for (const specifier of ['token-family-client', 'token-family-client/file']) {
    const loaded = await modulesLoadedBy(specifier);
    expect(loaded.filter((path) => path.includes('/libs/client/dist/')).length).toBeGreaterThan(2);
    expect(loaded.filter((path) => !path.includes('/libs/client/dist/'))).toEqual([]);
  }
});
