import { Logger, type Provider } from '@nestjs/common';
import { JwtService } from '@nestjs/jwt';
import { ACCESS_PROVIDERS } from './access/access.providers.js';
import { VerifiedTokens } from './access/verified-tokens.js';
import { MODULE_OPTIONS_TOKEN } from './auth.module-definition.js';
import { OPERATIONS } from './auth.operations.js';
import { keyPolicy } from './core/key-schedule.js';
import { ResolvedOptions, type TokenFamilyOptions } from './core/options.js';
import { resolveOptions, warningsFor } from './core/resolve-options.js';
import {
  AccessPolicy,
  AccessTokens,
  AuditStore,
  Clock,
  KeySource,
  RefreshTokenStore,
  SessionCheck,
  SigningKeyStore,
} from './core/ports.js';
import {
  PublishedRevocations,
  RevocationChannel,
  RevocationCheck,
  RevocationMemory,
  RevocationSource,
} from './core/revocation-ports.js';
import { RefreshTokenCodec } from './core/refresh-token.js';
import { ClientAuthentication } from './http/client-authentication.js';
import { ClientGuard } from './http/client.guard.js';
import { RefreshGuard } from './http/refresh.guard.js';
import { TokenResponseInterceptor } from './http/token-response.interceptor.js';
import { AuditTrail } from './issuer/audit-trail.js';
import { ClaimsSource } from './issuer/claims.source.js';
import { IssuerTally } from './issuer/issuer-tally.js';
import { TokenPruning } from './issuer/pruning.js';
import { LostRevocations } from './issuer/lost-revocations.js';
import { Rotator } from './issuer/rotator.js';
import { SessionEnds } from './issuer/session-ends.js';
import { TokenEvents } from './issuer/token-events.js';
import { TokenGrants } from './issuer/token-grants.js';
import { TokenService } from './issuer/token.service.js';
import { AccessTokenSigner } from './jwt/access-token.signer.js';
import { KeyEncryption } from './jwt/key-encryption.js';
import { KeyMetrics } from './jwt/key-metrics.js';
import { KeyRing, type SigningKey } from './jwt/key-ring.js';
import { ManagedKeys } from './jwt/managed-keys.js';
import { SigningKeyService } from './jwt/signing-key.service.js';
import { importSigningKeys } from './jwt/signing-keys.js';
import { STATIC_KEYS } from './jwt/static-keys.js';
import { AccessTokenVerifier } from './jwt/verification.js';
import { RevocationFeed } from './revocation/revocation.feed.js';

const CONFIGURATION = Symbol('Configuration');
const SIGNING = Symbol('Signing');

interface Configuration {
  readonly options: ResolvedOptions;
  /** those given at start; none when they are managed */
  readonly keys: readonly SigningKey[];
}

/** One pass over options and keys, so that the faults of both are reported together. */
function configure(input: TokenFamilyOptions): Configuration {
  const { keys: inputs, algorithm } = input?.accessToken ?? {};
  // What is no list at all is a fault that resolveOptions finds.
  const { keys, faults } = importSigningKeys(Array.isArray(inputs) ? inputs : [], algorithm);
  const options = resolveOptions(input, faults);
  for (const warning of warningsFor(options)) new Logger('AuthModule').warn(warning);
  return { options, keys };
}

interface Signing {
  readonly ring: KeyRing;
  /** null when keys are given at start */
  readonly managed: ManagedKeys | null;
}

/** The keys are there before anything that needs them, or the application does not start. */
async function openKeys(
  { options, keys }: Configuration,
  store: SigningKeyStore,
  clock: Clock,
): Promise<Signing> {
  const ring = new KeyRing();
  const { managedKeys } = options.accessToken;
  if (!managedKeys) {
    ring.replace(keys, keys[0]);
    return { ring, managed: null };
  }
  const encryption = new KeyEncryption(managedKeys.encryptionKeys);
  const logger = new Logger('SigningKeys');
  const managed = new ManagedKeys(store, ring, encryption, keyPolicy(options, managedKeys), clock, logger);
  await managed.start();
  return { ring, managed };
}

export const PROVIDERS: Provider[] = [
  ...ACCESS_PROVIDERS,
  { provide: CONFIGURATION, inject: [MODULE_OPTIONS_TOKEN], useFactory: configure },
  { provide: ResolvedOptions, inject: [CONFIGURATION], useFactory: ({ options }: Configuration) => options },
  { provide: SIGNING, inject: [CONFIGURATION, SigningKeyStore, Clock], useFactory: openKeys },
  {
    provide: KeyMetrics,
    inject: [SIGNING],
    useFactory: ({ ring, managed }: Signing) => new KeyMetrics(ring, managed),
  },
  { provide: KeyRing, inject: [SIGNING], useFactory: ({ ring }: Signing) => ring },
  { provide: KeySource, inject: [SIGNING], useFactory: ({ managed }: Signing) => managed ?? STATIC_KEYS },
  {
    provide: SigningKeyService,
    inject: [SIGNING],
    useFactory: ({ managed }: Signing) => new SigningKeyService(managed),
  },
  {
    provide: RefreshTokenCodec,
    inject: [ResolvedOptions],
    useFactory: ({ refreshToken }: ResolvedOptions) => new RefreshTokenCodec(refreshToken.keys),
  },
  {
    provide: AccessTokenSigner,
    inject: [JwtService, KeyRing, ResolvedOptions],
    useFactory: (jwt: JwtService, ring: KeyRing, options: ResolvedOptions) =>
      new AccessTokenSigner(jwt, ring, options),
  },
  {
    provide: AccessTokenVerifier,
    inject: [KeyRing, KeySource, ResolvedOptions, Clock],
    useFactory: (ring: KeyRing, source: KeySource, options: ResolvedOptions, clock: Clock) => {
      const { issuer, audience, clockTolerance, accessToken } = options;
      const policy = { issuer, audience, clockTolerance, maxLifetime: accessToken.lifetime };
      return new AccessTokenVerifier([{ ring, source, policy }], clock);
    },
  },
  {
    provide: VerifiedTokens,
    inject: [ResolvedOptions],
    useFactory: ({ accessToken }: ResolvedOptions) => new VerifiedTokens(accessToken.cacheSize),
  },
  {
    provide: AccessTokens,
    inject: [AccessTokenSigner, AccessTokenVerifier],
    useFactory: (signer: AccessTokenSigner, verifier: AccessTokenVerifier): AccessTokens => ({
      signer: () => signer.take(),
      verify: (token) => verifier.verify(token),
    }),
  },
  {
    provide: RevocationSource,
    inject: [RefreshTokenStore, TokenEvents],
    useFactory: (store: RefreshTokenStore, events: TokenEvents): RevocationSource => {
      const lost = new LostRevocations(store, events);
      return {
        read: async (window, take) => ({ ...(await store.revokedWithin(window, take)), age: 0 }),
        restore: (sids) => lost.restore(sids),
      };
    },
  },
  {
    provide: RevocationCheck,
    inject: [RevocationSource, KeySource, RevocationChannel, ResolvedOptions, Clock],
    useFactory: (
      source: RevocationSource,
      keys: KeySource,
      channel: RevocationChannel,
      { revocation, accessToken, clockTolerance }: ResolvedOptions,
      clock: Clock,
    ) => {
      const policy = { ...revocation, longestLife: accessToken.lifetime + clockTolerance };
      return new RevocationFeed(source, keys, channel, policy, clock);
    },
  },
  TokenEvents,
  {
    provide: ClaimsSource,
    inject: [ResolvedOptions],
    useFactory: ({ claims, accessToken }: ResolvedOptions) =>
      new ClaimsSource(claims, accessToken.claimsTimeout),
  },
  {
    provide: Rotator,
    inject: [
      RefreshTokenStore,
      RefreshTokenCodec,
      ClaimsSource,
      RevocationMemory,
      TokenEvents,
      Clock,
      ResolvedOptions,
    ],
    useFactory: (
      store: RefreshTokenStore,
      codec: RefreshTokenCodec,
      claims: ClaimsSource,
      revocations: RevocationMemory,
      events: TokenEvents,
      clock: Clock,
      { refreshToken }: ResolvedOptions,
    ) => new Rotator(store, codec, claims, revocations, events, clock, refreshToken.leeway * 1000),
  },
  {
    provide: SessionEnds,
    inject: [RefreshTokenStore, RefreshTokenCodec, AccessTokens, RevocationMemory, TokenEvents, AuditTrail],
    useFactory: (...args: ConstructorParameters<typeof SessionEnds>) => new SessionEnds(...args),
  },
  {
    provide: TokenGrants,
    inject: [
      RefreshTokenStore,
      RefreshTokenCodec,
      Rotator,
      AccessTokens,
      ClaimsSource,
      SessionEnds,
      TokenEvents,
      Clock,
      ResolvedOptions,
      IssuerTally,
    ],
    useFactory: (...args: ConstructorParameters<typeof TokenGrants>) => new TokenGrants(...args),
  },
  {
    provide: TokenService,
    inject: [
      TokenGrants,
      SessionEnds,
      RefreshTokenStore,
      RefreshTokenCodec,
      AccessTokens,
      RevocationMemory,
      ResolvedOptions,
    ],
    useFactory: (...args: ConstructorParameters<typeof TokenService>) => new TokenService(...args),
  },
  { provide: PublishedRevocations, useExisting: RevocationCheck },
  { provide: RevocationMemory, useExisting: RevocationCheck },
  {
    provide: TokenPruning,
    inject: [RefreshTokenStore, AuditStore, ResolvedOptions],
    useFactory: (families: RefreshTokenStore, audit: AuditStore | null, options: ResolvedOptions) =>
      new TokenPruning(families, audit, options),
  },
  {
    provide: AuditTrail,
    inject: [AuditStore, TokenEvents, Clock],
    useFactory: (store: AuditStore | null, events: TokenEvents, clock: Clock) =>
      new AuditTrail(store, events, clock),
  },
  { provide: AccessPolicy, useExisting: ResolvedOptions },
  { provide: SessionCheck, useExisting: TokenService },
  ClientAuthentication,
  ClientGuard,
  RefreshGuard,
  TokenResponseInterceptor,
  ...OPERATIONS,
];
