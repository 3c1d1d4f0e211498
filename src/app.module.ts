import { Module, type DynamicModule } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuthModule, type TokenFamilyOptions } from 'nestjs-token-family';
import { dataSourceOptions } from './database/data-source.js';
import { DevelopmentKeysModule } from './keys/development-keys.module.js';
import { DevelopmentKeys } from './keys/development-keys.service.js';
import { demoSecretFile, leaveSecret } from './keys/shared-secret.js';
import { OperationsModule } from './operations/operations.module.js';
import { PageController } from './page/page.controller.js';
import type { FeedCredentials, Settings } from './settings.js';
import { ThrottlingModule } from './throttling/throttling.module.js';
import { LoginController } from './users/login.controller.js';
import { MeController } from './users/me.controller.js';
import { UsersModule } from './users/users.module.js';
import { UsersService } from './users/users.service.js';

@Module({})
export class AppModule {
  static create(settings: Settings, databaseUrl: string): DynamicModule {
    return {
      module: AppModule,
      imports: [
        TypeOrmModule.forRoot(dataSourceOptions(databaseUrl)),
        UsersModule,
        OperationsModule.create(settings.drainDelay),
        // Before AuthModule: global guards run in the order of their modules.
        ...(settings.isThrottling ? [ThrottlingModule] : []),
        AuthModule.forRootAsync({
          imports: [DevelopmentKeysModule, UsersModule],
          inject: [DevelopmentKeys, UsersService],
          useFactory: (keys: DevelopmentKeys, users: UsersService) => authOptions(settings, keys, users),
          routes: true,
        }),
      ],
      controllers: [LoginController, MeController, PageController],
    };
  }
}

async function authOptions(
  settings: Settings,
  keys: DevelopmentKeys,
  users: UsersService,
): Promise<TokenFamilyOptions> {
  keys.warn();
  return {
    issuer: settings.issuer,
    audience: settings.audience,
    clients: settings.client ? [settings.client] : [],
    origins: settings.origins,
    accessToken: {
      managedKeys: {
        encryptionKeys: [{ id: 1, secret: await keys.keyEncryptionSecret() }],
        rotateEvery: settings.signingKeyRotateEvery,
        publishLead: settings.signingKeyPublishLead,
      },
      lifetime: settings.accessTokenLifetime,
    },
    refreshToken: {
      keys: [{ id: 1, secret: await keys.refreshTokenSecret() }],
      lifetime: settings.refreshTokenLifetime,
      idleLifetime: settings.refreshTokenIdleLifetime,
      leeway: settings.refreshTokenLeeway,
    },
    revocation: {
      pollInterval: settings.revocationPollInterval,
      maxStaleness: settings.revocationMaxStaleness,
    },
    resourceServers: [await resourceServer(settings.resourceServer, keys)],
    // Asked at every refresh: a user who is gone gets no more tokens.
    claims: async ({ subject }) => {
      const user = await users.findById(subject);
      return user && { name: user.username };
    },
  };
}

/** A secret that was given stays where it is; of its own making the second application has to be told. */
async function resourceServer(
  { id, secret }: FeedCredentials,
  keys: DevelopmentKeys,
): Promise<{ id: string; secret: string }> {
  if (secret !== undefined) return { id, secret };
  const made = await keys.resourceServerSecret();
  await leaveSecret(demoSecretFile, made);
  return { id, secret: made };
}
