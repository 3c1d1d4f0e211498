import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

const ROOT = join(__dirname, '..');

/** What the files of a room may import: other rooms, then packages (a `/*` opens all of a scope). */
interface Room {
  readonly rooms: readonly string[];
  readonly packages: readonly string[];
}

const ROOMS: Readonly<Record<string, Room>> = {
  core: { rooms: [], packages: ['node:crypto'] },
  jwt: {
    rooms: ['core'],
    packages: ['node:buffer', 'node:crypto', '@nestjs/common', '@nestjs/jwt', 'jose'],
  },
  storage: { rooms: ['core'], packages: ['node:crypto', 'node:net', 'typeorm', 'type pg'] },
  issuer: { rooms: ['core'], packages: ['node:crypto', '@nestjs/common'] },
  revocation: { rooms: ['core'], packages: ['@nestjs/common'] },
  access: {
    rooms: ['core', 'jwt'],
    packages: [
      '@nestjs/common',
      '@nestjs/core',
      '@nestjs/passport',
      '@nestjs/websockets',
      'passport',
      'passport-jwt',
      'rxjs',
    ],
  },
  operations: { rooms: ['core'], packages: ['@nestjs/common'] },
  http: {
    rooms: ['core', 'issuer', 'jwt', 'access'],
    packages: ['node:crypto', '@nestjs/common', '@nestjs/core', 'rxjs'],
  },
  oauth: { rooms: ['core', 'issuer', 'jwt', 'access', 'http'], packages: ['@nestjs/common'] },
  throttling: {
    rooms: ['core', 'jwt', 'access', 'http'],
    packages: ['node:crypto', 'node:net', '@nestjs/common', '@nestjs/throttler'],
  },
  openapi: {
    rooms: ['core', 'access', 'http', 'oauth'],
    packages: ['@nestjs/common', '@nestjs/common/constants.js', '@nestjs/swagger'],
  },
};
/** Files at the front of the package that see every room; any other one there sees core alone. */
const SWITCHBOARDS = [
  'auth.module.ts',
  'auth.operations.ts',
  'auth.providers.ts',
  'auth.stores.ts',
  'index.ts',
  'typeorm.ts',
];
/** Those of a service that only verifies: what issues and what stores is not in sight. */
const RESOURCE_SERVER = ['resource-server.ts', 'resource-server.module.ts', 'resource-server.operations.ts'];
const RESOURCE_SERVER_ROOMS = ['core', 'jwt', 'access', 'revocation', 'operations'];
const FRONT_PACKAGES = ['@nestjs/*', 'type typeorm'];
/** Side doors for one package of others, which nothing else may need. */
const PACKAGE_OF_DOOR: Readonly<Record<string, readonly string[]>> = {
  'prometheus.ts': ['prom-client'],
  'opentelemetry.ts': ['@opentelemetry/api'],
  'openapi.ts': [],
  'throttler.ts': [],
};
/** Of a side door with a room of its own behind it, which nothing else sees. */
const ROOM_OF_DOOR: Readonly<Record<string, string>> = {
  'openapi.ts': 'openapi',
  'throttler.ts': 'throttling',
};
/** Room and door of the client that pages never see; all else of it imports nothing and runs everywhere. */
const CLIENT_IN_NODE = 'file';
const PORTS_OF_CLIENT = ['../storage.js'];
const PACKAGES_IN_NODE = [
  'node:crypto',
  'node:fs',
  'node:fs/promises',
  'node:os',
  'node:path',
  'node:perf_hooks',
  'node:timers/promises',
];
const IMPURE = /\bDate\.now\b|\bnew Date\b|\bperformance\.|\bMath\.random\b/g;

/** The faults of one file, named; none when it keeps to its room. */
function faultsOf(path: string, source: string): string[] {
  const specifiers = importsOf(source);
  if (path.startsWith('libs/auth/src/'))
    return [...authFaults(path, specifiers), ...impurities(path, source)];
  if (path.startsWith('libs/client/src/')) return clientFaults(path, specifiers);
  return specifiers.filter((specifier) => /(?:^|\/)libs\//.test(specifier)).map((name) => `${path}: ${name}`);
}

function authFaults(path: string, specifiers: string[]): string[] {
  const [, room, file] = /^libs\/auth\/src\/(?:([\w-]+)\/)?(.+)$/.exec(path)!;
  if (room !== undefined && !ROOMS[room]) return [`${path}: no such room`];
  const front: Room = { rooms: roomsInSightOf(file!), packages: PACKAGE_OF_DOOR[file!] ?? FRONT_PACKAGES };
  const { rooms, packages } = room === undefined ? front : ROOMS[room]!;
  return specifiers
    .filter((specifier) =>
      specifier.startsWith('.')
        ? !staysIn(path, specifier, room, rooms)
        : !packages.some((name) => matches(name, specifier)),
    )
    .map((specifier) => `${path}: ${specifier}`);
}

function clientFaults(path: string, specifiers: string[]): string[] {
  const [, room, file] = /^libs\/client\/src\/(?:([\w-]+)\/)?(.+)$/.exec(path)!;
  if (room !== undefined && room !== CLIENT_IN_NODE) return [`${path}: no such room`];
  const inSight = (specifier: string): boolean => {
    if (room !== undefined) {
      return /^\.\/[^/]+$/.test(specifier) || [...PORTS_OF_CLIENT, ...PACKAGES_IN_NODE].includes(specifier);
    }
    const isInNode = new RegExp(`^\\./${CLIENT_IN_NODE}[./]`).test(specifier);
    return specifier.startsWith('./') && isInNode === (file === `${CLIENT_IN_NODE}.ts`);
  };
  return specifiers.filter((specifier) => !inSight(specifier)).map((specifier) => `${path}: ${specifier}`);
}

function roomsInSightOf(front: string): readonly string[] {
  const behindDoors = Object.values(ROOM_OF_DOOR);
  if (SWITCHBOARDS.includes(front)) return Object.keys(ROOMS).filter((room) => !behindDoors.includes(room));
  if (RESOURCE_SERVER.includes(front)) return RESOURCE_SERVER_ROOMS;
  return ['core', ROOM_OF_DOOR[front] ?? []].flat();
}

function staysIn(
  path: string,
  specifier: string,
  own: string | undefined,
  rooms: readonly string[],
): boolean {
  const target = join(path, '..', specifier);
  const inside = /^libs\/auth\/src\/(?:([\w-]+)\/)?.+$/.exec(target);
  if (!inside) return false;
  return inside[1] === own || (inside[1] !== undefined && rooms.includes(inside[1]));
}

/** `type pg` allows types only, `@nestjs/*` a scope; a package includes what lies below its name. */
function matches(allowed: string, specifier: string): boolean {
  if (allowed.startsWith('type ')) return specifier === allowed;
  const name = specifier.replace(/^type /, '');
  return allowed.endsWith('/*') ? name.startsWith(allowed.slice(0, -1)) : name === allowed;
}

/** Every module a file names, by import, export, dynamic import or require; `type x` where a package gives types only. */
function importsOf(source: string): string[] {
  const names = ts.preProcessFile(source, true, true).importedFiles.map(({ fileName }) => fileName);
  return names.map((name) => {
    const typesOnly =
      !name.startsWith('.') && new RegExp(`^import type [^;]*from '${name}';`, 'm').test(source);
    return typesOnly ? `type ${name}` : name;
  });
}

function impurities(path: string, source: string): string[] {
  return path.startsWith('libs/auth/src/core/')
    ? [...source.matchAll(IMPURE)].map(([found]) => `${path}: ${found}`)
    : [];
}

function filesBelow(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `${folder}/${name}`);
}

describe('the rooms of the house', () => {
  test.each([['libs/auth/src'], ['libs/client/src'], ['src']])(
    'every file of %s keeps to its room',
    (folder) => {
      const files = filesBelow(folder);
      expect(files.length).toBeGreaterThan(0);
      expect(files.flatMap((path) => faultsOf(path, readFileSync(join(ROOT, path), 'utf8')))).toEqual([]);
    },
  );

  test('every room exists', () => {
    const rooms = filesBelow('libs/auth/src').map((path) => path.split('/')[3]);
    expect(rooms).toEqual(expect.arrayContaining(Object.keys(ROOMS)));
  });
});

describe('a planted violation is found', () => {
  test.each<[path: string, source: string]>([
    ['libs/auth/src/core/a.ts', `import { Injectable } from '@nestjs/common';`],
    ['libs/auth/src/core/a.ts', `import type { Pool } from 'pg';`],
    ['libs/auth/src/core/a.ts', `import { readFile } from 'node:fs';`],
    ['libs/auth/src/core/a.ts', `export { KeyRing } from '../jwt/key-ring.js';`],
    ['libs/auth/src/core/a.ts', `const ring = import('../jwt/key-ring.js');`],
    ['libs/auth/src/core/a.ts', `export const now = () => Date.now();`],
    ['libs/auth/src/core/a.ts', `export const now = () => +new Date();`],
    ['libs/auth/src/core/a.ts', `export const now = () => performance.now();`],
    ['libs/auth/src/core/a.ts', `export const draw = () => Math.random();`],
    ['libs/auth/src/jwt/a.ts', `import { TokenService } from '../issuer/token.service.js';`],
    ['libs/auth/src/jwt/a.ts', `import { AuthModule } from '../auth.module.js';`],
    ['libs/auth/src/storage/a.ts', `import { Injectable } from '@nestjs/common';`],
    ['libs/auth/src/storage/a.ts', `import { Pool } from 'pg';`],
    ['libs/auth/src/issuer/a.ts', `import { statementsFor } from '../storage/statements.js';`],
    ['libs/auth/src/issuer/a.ts', `import type { DataSource } from 'typeorm';`],
    ['libs/auth/src/revocation/a.ts', `import { KeyRing } from '../jwt/key-ring.js';`],
    ['libs/auth/src/http/a.ts', `import { RefreshToken } from '../storage/refresh-token.entity.js';`],
    ['libs/auth/src/http/a.ts', `import express from 'express';`],
    ['libs/auth/src/http/a.ts', `import { TokenController } from '../oauth/token.controller.js';`],
    ['libs/auth/src/oauth/a.ts', `import { RefreshToken } from '../storage/refresh-token.entity.js';`],
    ['libs/auth/src/access/a.ts', `import { TokenService } from '../issuer/token.service.js';`],
    ['libs/auth/src/access/a.ts', `import { RefreshGuard } from '../http/refresh.guard.js';`],
    ['libs/auth/src/access/a.ts', `import { GqlExecutionContext } from '@nestjs/graphql';`],
    ['libs/auth/src/resource-server.ts', `export { TokenService } from './issuer/token.service.js';`],
    ['libs/auth/src/resource-server.module.ts', `import { Rows } from './storage/rows.js';`],
    ['libs/auth/src/resource-server.module.ts', `import type { DataSource } from 'pg';`],
    ['libs/auth/src/operations/a.ts', `import { RevocationFeed } from '../revocation/revocation.feed.js';`],
    ['libs/auth/src/operations/a.ts', `import { HealthCheckService } from '@nestjs/terminus';`],
    ['libs/auth/src/prometheus.ts', `import { TokenMetrics } from './operations/token-metrics.js';`],
    ['libs/auth/src/openapi.ts', `export { TokenController } from './oauth/token.controller.js';`],
    ['libs/auth/src/throttler.ts', `export { RefreshGuard } from './http/refresh.guard.js';`],
    ['libs/auth/src/throttling/a.ts', `import { TokenService } from '../issuer/token.service.js';`],
    ['libs/auth/src/http/a.ts', `import { ThrottlerGuard } from '@nestjs/throttler';`],
    ['libs/auth/src/auth.module.ts', `import { clientAddress } from './throttling/client-address.js';`],
    ['libs/auth/src/openapi/a.ts', `import { TokenService } from '../issuer/token.service.js';`],
    ['libs/auth/src/http/a.ts', `import { ApiProperty } from '@nestjs/swagger';`],
    ['libs/auth/src/auth.module.ts', `import { decorate } from './openapi/describing.js';`],
    ['libs/auth/src/index.ts', `import { Registry } from 'prom-client';`],
    ['libs/auth/src/attic/a.ts', ''],
    ['libs/auth/src/front.ts', `export { KeyRing } from './jwt/key-ring.js';`],
    ['libs/auth/src/index.ts', `export { startDemo } from '../../../src/main.js';`],
    ['libs/client/src/a.ts', `import { createHash } from 'node:crypto';`],
    ['libs/client/src/a.ts', `import { ConfigError } from '../../auth/src/index.js';`],
    ['libs/client/src/index.ts', `export { fileStorage } from './file.js';`],
    ['libs/client/src/index.ts', `export { fileStorage } from './file/file-storage.js';`],
    ['libs/client/src/file.ts', `export { memoryStorage } from './memory-storage.js';`],
    ['libs/client/src/file/a.ts', `import { createTokenClient } from '../token-client.js';`],
    ['libs/client/src/file/a.ts', `import { createServer } from 'node:http';`],
    ['libs/client/src/file/a.ts', `import { lock } from 'proper-lockfile';`],
    ['libs/client/src/attic/a.ts', ''],
    ['src/a.ts', `import { AuthModule } from '../libs/auth/src/index.js';`],
  ])('in %s: %s', (path, source) => {
    expect(faultsOf(path, source)).toHaveLength(1);
  });

  test.each<[path: string, source: string]>([
    ['libs/auth/src/core/a.ts', `import { hash } from 'node:crypto'; import { b } from './b.js';`],
    ['libs/auth/src/core/a.ts', `// import { Injectable } from '@nestjs/common';`],
    ['libs/auth/src/storage/a.ts', `import type { Pool } from 'pg';`],
    ['libs/auth/src/http/a.ts', `import { TokenService } from '../issuer/token.service.js';`],
    ['libs/auth/src/auth.module.ts', `import { RefreshToken } from './storage/refresh-token.entity.js';`],
    ['libs/client/src/file.ts', `export { fileStorage } from './file/file-storage.js';`],
    ['libs/client/src/file/a.ts', `import { open } from 'node:fs/promises'; import { b } from './b.js';`],
    ['libs/client/src/file/a.ts', `import type { TokenStorage } from '../storage.js';`],
    ['src/a.ts', `import { AuthModule } from 'nestjs-token-family';`],
  ])('and what is allowed is not: in %s: %s', (path, source) => {
    expect(faultsOf(path, source)).toEqual([]);
  });
});
