import { generateKeyPairSync } from 'node:crypto';
import { TypeOrmModule } from '@nestjs/typeorm';
import type { AuthModuleExtras, TokenFamilyOptions } from 'nestjs-token-family';
import type { Library } from './library.js';
import { POOL_SIZE } from './rotation-scale.js';

class BenchModule {}

/** A Nest application with AuthModule, which makes its tables in the database at `url`. */
export function applicationOn(
  { AuthModule, RefreshToken, tokenFamilyMigrations }: Library,
  url: string,
  options: Pick<TokenFamilyOptions, 'refreshToken'> & Partial<TokenFamilyOptions> & AuthModuleExtras,
) {
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
        ...options,
      }),
    ],
  };
}
