import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** What an application that only speaks HTTP, and is not measured, has not installed. */
const OPTIONAL = [
  '@nestjs/throttler',
  '@nestjs/swagger',
  '@nestjs/websockets',
  '@nestjs/platform-ws',
  '@nestjs/platform-socket.io',
  '@nestjs/graphql',
  '@nestjs/apollo',
  '@nestjs/microservices',
  '@grpc/grpc-js',
  '@nestjs/terminus',
  '@opentelemetry/api',
  'prom-client',
  'socket.io',
  'graphql',
  'ws',
];

/** For a process of its own: these packages cannot be found there, by import or by require. */
function hide(names: readonly string[]): string {
  const loader = `
    const hidden = ${JSON.stringify(names)};
    const isHidden = (name) => hidden.some((each) => name === each || name.startsWith(each + '/'));
    export const resolve = (name, context, next) => {
      if (isHidden(name)) throw Object.assign(new Error('hidden: ' + name), { code: 'ERR_MODULE_NOT_FOUND' });
      return next(name, context);
    };`;
  return `
    const Module = process.getBuiltinModule('node:module');
    Module.register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(loader)}));
    const hidden = ${JSON.stringify(names)};
    const find = Module._resolveFilename;
    Module._resolveFilename = function (name, ...rest) {
      if (hidden.some((each) => name === each || name.startsWith(each + '/'))) {
        throw Object.assign(new Error('hidden: ' + name), { code: 'MODULE_NOT_FOUND' });
      }
      return find.call(this, name, ...rest);
    };`;
}

/** An application of the built package with one guarded route, asked without a token and with one. */
const APPLICATION = `
  async function main(load) {
    await load('reflect-metadata');
    const { Controller, Get, Module, UseGuards } = await load('@nestjs/common');
    const { NestFactory } = await load('@nestjs/core');
    const { AccessGuard, AuthModule, TokenService } = await load('nestjs-token-family');
    const { generateKeyPairSync, randomBytes } = await load('node:crypto');
    class Me { me() { return { passed: true }; } }
    const descriptor = Object.getOwnPropertyDescriptor(Me.prototype, 'me');
    UseGuards(AccessGuard)(Me.prototype, 'me', descriptor);
    Get('me')(Me.prototype, 'me', descriptor);
    Controller()(Me);
    const auth = AuthModule.forRoot({
      issuer: 'https://issuer.test',
      audience: 'https://api.test',
      accessToken: { keys: [generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey] },
      refreshToken: { keys: [{ id: 1, secret: randomBytes(32) }] },
      store: 'memory',
    });
    class App {}
    Module({ imports: [auth], controllers: [Me] })(App);
    const app = await NestFactory.create(App, { logger: false, abortOnError: false });
    await app.listen(0, '127.0.0.1');
    const url = 'http://127.0.0.1:' + app.getHttpServer().address().port + '/me';
    const { accessToken } = await app.get(TokenService).issue('alice');
    const refused = await fetch(url);
    const passed = await fetch(url, { headers: { authorization: 'Bearer ' + accessToken } });
    console.log(JSON.stringify([refused.status, await refused.json(), passed.status, await passed.json()]));
    await app.close();
  }`;

test.each<[type: 'module' | 'commonjs', load: string]>([
  ['module', '(name) => import(name)'],
  ['commonjs', 'require'],
])(
  'as %s, the package guards HTTP without the packages of other transports and of monitoring',
  async (type, load) => {
    const text = `${hide(OPTIONAL)}\n${APPLICATION}\nmain(${load});`;
    const { stdout } = await run(process.execPath, [`--input-type=${type}`, '-e', text]);
    expect(JSON.parse(stdout)).toEqual([
      401,
      { error: 'unauthorized', error_description: 'No token was sent' },
      200,
      { passed: true },
    ]);
  },
);

test.each([
  ['prometheus', 'prom-client'],
  ['opentelemetry', '@opentelemetry/api'],
  ['throttler', '@nestjs/throttler'],
  ['openapi', '@nestjs/swagger'],
])('the door %s needs %s, and says so', async (door, name) => {
  const text = `${hide([name])}\nimport('nestjs-token-family/${door}').catch((error) => console.log(error.message))`;
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', text]);
  expect(stdout).toBe(`hidden: ${name}\n`);
});

test('a package that is hidden cannot be found', async () => {
  const text = `${hide(['@nestjs/common'])}\n${APPLICATION}\nmain((name) => import(name));`;
  await expect(run(process.execPath, ['--input-type=module', '-e', text])).rejects.toThrow(/hidden/);
});

test('none of them is a dependency, and those it looks for are optional peers', () => {
  const described = JSON.parse(readFileSync('libs/auth/package.json', 'utf8')) as {
    dependencies: object;
    peerDependencies: object;
    peerDependenciesMeta?: Record<string, { optional?: boolean }>;
  };
  expect(Object.keys(described.dependencies).filter((name) => OPTIONAL.includes(name))).toEqual([]);
  const peers = Object.keys(described.peerDependencies).filter((name) => OPTIONAL.includes(name));
  expect(peers.filter((name) => !described.peerDependenciesMeta?.[name]?.optional)).toEqual([]);
});
