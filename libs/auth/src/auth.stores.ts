import { Logger, type Provider } from '@nestjs/common';
import { getDataSourceToken } from '@nestjs/typeorm';
import type { DataSource } from 'typeorm';
import type { MetricSource } from './core/metrics.js';
import { ResolvedOptions } from './core/options.js';
import { AuditStore, Clock, DatabaseProbe, RefreshTokenStore, SigningKeyStore } from './core/ports.js';
import { RevocationChannel } from './core/revocation-ports.js';
import { SILENT_CHANNEL } from './revocation/silent-channel.js';
import { MemoryAuditStore } from './storage/memory-audit.store.js';
import { MemorySigningKeyStore } from './storage/memory-signing-key.store.js';
import { MemoryRefreshTokenStore } from './storage/memory.store.js';
import { PoolMetrics } from './storage/pool-metrics.js';
import { PrimaryProbe } from './storage/primary-probe.js';
import { PostgresRevocationChannel } from './storage/revocation-channel.js';
import { TypeOrmAuditStore } from './storage/typeorm-audit.store.js';
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
    {
      provide: AuditStore,
      inject: [getDataSourceToken(dataSource), ResolvedOptions],
      useFactory: (source: DataSource, options: ResolvedOptions) =>
        options.audit.enabled ? new TypeOrmAuditStore(source, options) : null,
    },
    {
      provide: RevocationChannel,
      inject: [getDataSourceToken(dataSource), ResolvedOptions],
      useFactory: (source: DataSource, options: ResolvedOptions) =>
        new PostgresRevocationChannel(source, options, new Logger('RevocationChannel')),
    },
    {
      provide: DatabaseProbe,
      inject: [getDataSourceToken(dataSource), ResolvedOptions],
      useFactory: (source: DataSource, { database }: ResolvedOptions) => new PrimaryProbe(source, database),
    },
    {
      provide: PoolMetrics,
      inject: [getDataSourceToken(dataSource)],
      useFactory: (source: DataSource) => new PoolMetrics(source),
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
  {
    provide: AuditStore,
    inject: [ResolvedOptions, Clock],
    useFactory: ({ audit }: ResolvedOptions, clock: Clock) =>
      audit.enabled ? new MemoryAuditStore(() => clock.now()) : null,
  },
  { provide: RevocationChannel, useValue: SILENT_CHANNEL },
  {
    provide: DatabaseProbe,
    inject: [Clock],
    useFactory: (clock: Clock): DatabaseProbe => ({
      ask: async () => ({ now: clock.now(), isStandby: false }),
    }),
  },
  { provide: PoolMetrics, useValue: { read: () => [] } satisfies MetricSource },
];
