import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { NestFactory } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import type { Library } from './library.js';
import type { Contender } from './measure.js';
import { Queue } from './queue.js';
import { CHAINS, POOL_SIZE } from './rotation-scale.js';

class BenchModule {}

/** The real thing: a Nest application with AuthModule, asked to rotate one family after the other. */
export async function openTokenService(library: Library, url: string): Promise<Contender> {
  const app = await NestFactory.createApplicationContext(applicationOn(library, url), { logger: false });
  const tokens = app.get(library.TokenService);
  const logins = await Promise.all(Array.from({ length: CHAINS }, (_, n) => tokens.issue(`user-${n}`)));
  const families = new Queue(logins.map(({ refreshToken }) => ({ refreshToken })));
  async function rotate(family: { refreshToken: string }): Promise<void> {
    family.refreshToken = (await tokens.rotate(family.refreshToken)).refreshToken;
  }
  return {
    name: 'TokenService.rotate',
    once: () => families.lend(rotate),
    close: () => app.close(),
  };
}

function applicationOn({ AuthModule, RefreshToken, tokenFamilyMigrations }: Library, url: string) {
  return {
    module: BenchModule,
    imports: [
      TypeOrmModule.forRoot({
        type: 'postgres',
        url,
        installExtensions: false,
        entities: [RefreshToken],
        migrations: tokenFamilyMigrations,
        migrationsRun: true,
        poolSize: POOL_SIZE,
        retryAttempts: 0,
      }),
      AuthModule.forRoot({
        issuer: 'https://issuer.test',
        audience: 'https://api.test',
        accessToken: { keys: [generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey] },
        // No leeway: every call rotates, none is answered as a repeat.
        refreshToken: { keys: [{ id: 1, secret: randomBytes(32) }], leeway: 0 },
      }),
    ],
  };
}
