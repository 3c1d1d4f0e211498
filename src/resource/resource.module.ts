import { Module, type DynamicModule } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { AccessGuard, ResourceServerModule } from 'nestjs-token-family/resource-server';
import type { ResourceSettings } from '../settings.js';
import { ReportsController } from './reports.controller.js';

/** A service of another team: it trusts the first application's tokens, and shares nothing with it but its address. */
@Module({})
export class ResourceModule {
  static create({
    issuer,
    audience,
    jwksUri,
    jwksRefreshInterval,
    jwksCoolDown,
    revocationsUri,
    revocations: { id, secret },
    revocationPollInterval,
    revocationMaxStaleness,
  }: ResourceSettings): DynamicModule {
    return {
      module: ResourceModule,
      imports: [
        ResourceServerModule.forRoot({
          issuer,
          audience,
          jwksUri,
          jwks: { refreshInterval: jwksRefreshInterval, coolDown: jwksCoolDown },
          // Without a secret it would hear of no revocation, and says so when it starts.
          revocations: secret === undefined ? undefined : { uri: revocationsUri, id, secret },
          revocation: { pollInterval: revocationPollInterval, maxStaleness: revocationMaxStaleness },
        }),
      ],
      controllers: [ReportsController],
      providers: [{ provide: APP_GUARD, useExisting: AccessGuard }],
    };
  }
}
