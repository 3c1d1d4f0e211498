import type { Provider } from '@nestjs/common';
import { getDataSourceToken } from '@nestjs/typeorm';
import type { DataSource } from 'typeorm';
import { ResolvedOptions } from './core/options.js';
import { Clock, RefreshTokenStore, SigningKeyStore } from './core/ports.js';
import { MemorySigningKeyStore } from './storage/memory-signing-key.store.js';
import { MemoryRefreshTokenStore } from './storage/memory.store.js';
import { TypeOrmSigningKeyStore } from './storage/typeorm-signing-key.store.js';
import { TypeOrmRefreshTokenStore } from './storage/typeorm.store.js';

/** @param dataSource its name, if it has one */
export function storesOn(dataSource: string | undefined): Provider[] {
  return [
    {
      provide: RefreshTokenStore,
      inject: [getDataSourceToken(dataSource), ResolvedOptions],
      useFactory: (source: DataSource, options: ResolvedOptions) =>
        new TypeOrmRefreshTokenStore(source, options),
    },
    {
      provide: SigningKeyStore,
      inject: [getDataSourceToken(dataSource), ResolvedOptions],
      // Who gives keys at start may leave the entity of managed ones out.
      useFactory: (source: DataSource, options: ResolvedOptions) =>
        options.accessToken.managedKeys ? new TypeOrmSigningKeyStore(source, options) : null,
    },
  ];
}

export const STORES_IN_MEMORY: Provider[] = [
  {
    provide: RefreshTokenStore,
    inject: [ResolvedOptions, Clock],
    useFactory: (options: ResolvedOptions, clock: Clock) =>
      new MemoryRefreshTokenStore(options, () => clock.now()),
  },
  {
    provide: SigningKeyStore,
    inject: [Clock],
    useFactory: (clock: Clock) => new MemorySigningKeyStore(() => clock.now()),
  },
];
