import { ConfigError } from './errors.js';
import type { Duration } from './lifetime.js';
import { OptionReader } from './option-reader.js';
import type { ClaimsProvider } from './ports.js';
import type { RefreshTokenKey } from './refresh-token.js';

export type SigningAlgorithm = 'ES256' | 'RS256' | 'HS256';
export type CarrierPolicy = 'any' | 'body' | 'cookie';

/** Key material for access tokens: PEM text, a JWK object, a `KeyObject`, or (HS256) a secret of 32 bytes or more. */
export type SigningKeyInput = string | object;

/** Signing keys that are made, changed and kept in the database. */
export interface ManagedKeysOptions {
  /**
   * what private keys are sealed under in the database: the first one seals, all of them open. Add a new one at the end
   * first, then move it to the front; the old one may go when the keys sealed under it have been replaced
   */
  encryptionKeys: readonly KeyEncryptionKey[];
  /** how long a key signs */
  rotateEvery?: Duration | undefined;
  /** how long a key is published before it signs; a node without news of the keys for this long does not sign */
  publishLead?: Duration | undefined;
}

/** A secret that signing keys are sealed under; `id` from 0 to 255 names it in what it sealed. */
export interface KeyEncryptionKey {
  readonly id: number;
  /** 32 random bytes or more */
  readonly secret: string | Uint8Array;
}

/** What `AuthModule.forRoot` takes. `issuer`, `audience` and the keys of both kinds of token are required. */
export interface TokenFamilyOptions {
  /** the `iss` of every access token, compared to the letter */
  issuer: string;
  /** the `aud` of every access token; one of them must be in a presented token */
  audience: string | readonly string[];
  /** the client of logins and refreshes that name none */
  clientId?: string | undefined;
  accessToken: {
    /** the first one signs, all of them verify; or else `managedKeys` */
    keys?: readonly SigningKeyInput[] | undefined;
    /** keys that the nodes make and change themselves, in the database; or else `keys` */
    managedKeys?: ManagedKeysOptions | undefined;
    algorithm?: SigningAlgorithm | undefined;
    lifetime?: Duration | undefined;
    /** a lifetime is shortened at random by up to this share, 0 to 0.5 */
    jitter?: number | undefined;
    /** how long the claims provider may take */
    claimsTimeout?: Duration | undefined;
    /** how many verified tokens a node remembers, about 1.5 KB each */
    cacheSize?: number | undefined;
  };
  refreshToken: {
    /** the first one is active, all of them verify; add a new one at the end first, then move it to the front */
    keys: readonly RefreshTokenKey[];
    /** from login to the end, whatever happens between */
    lifetime?: Duration | undefined;
    /** from one refresh to the next */
    idleLifetime?: Duration | undefined;
    /** for how long the parent of the current token is taken for a retry; 0 is strict */
    leeway?: Duration | undefined;
    /** how clients may bring and get the token */
    carrier?: CarrierPolicy | undefined;
  };
  revocation?: {
    pollInterval?: Duration | undefined;
    /** without news for this long, `onStale` decides */
    maxStaleness?: Duration | undefined;
    /** `refuse` answers 503, `accept` lets tokens pass unchecked */
    onStale?: 'refuse' | 'accept' | undefined;
  };
  database?: {
    lockTimeout?: Duration | undefined;
    /** for one statement, waiting for a connection included */
    queryTimeout?: Duration | undefined;
    /** turn off behind a pooler that cannot keep them, such as PgBouncer before 1.21 in transaction mode */
    preparedStatements?: boolean | undefined;
  };
  /** how far this node's clock may be off when it verifies access tokens */
  clockTolerance?: Duration | undefined;
  /** asked for the application's claims at every login and refresh */
  claims?: ClaimsProvider | undefined;
}

export interface ResolvedManagedKeys {
  readonly encryptionKeys: readonly KeyEncryptionKey[];
  readonly rotateEvery: number;
  readonly publishLead: number;
}

/** Durations in seconds; every default applied. Also the injection token of the validated options. */
export interface ResolvedOptions {
  readonly issuer: string;
  readonly audience: readonly string[];
  readonly clientId: string;
  readonly accessToken: {
    /** empty when keys are managed */
    readonly keys: readonly SigningKeyInput[];
    readonly managedKeys: ResolvedManagedKeys | undefined;
    readonly algorithm: SigningAlgorithm;
    readonly lifetime: number;
    readonly jitter: number;
    readonly claimsTimeout: number;
    readonly cacheSize: number;
  };
  readonly refreshToken: {
    readonly keys: readonly RefreshTokenKey[];
    readonly lifetime: number;
    readonly idleLifetime: number;
    readonly leeway: number;
    readonly carrier: CarrierPolicy;
  };
  readonly revocation: {
    readonly pollInterval: number;
    readonly maxStaleness: number;
    readonly onStale: 'refuse' | 'accept';
  };
  readonly database: {
    readonly lockTimeout: number;
    readonly queryTimeout: number;
    readonly preparedStatements: boolean;
  };
  readonly clockTolerance: number;
  readonly claims: ClaimsProvider | undefined;
}

export const ResolvedOptions = Symbol('ResolvedOptions');

const DAY = 86_400;

const GIVEN_KEYS = 'accessToken.keys';
const MANAGED_KEYS = 'accessToken.managedKeys';

/**
 * Applies the defaults and finds every fault in one pass.
 *
 * @param moreFaults what other rooms found, such as key material that cannot be read
 * @throws {ConfigError} names all of them, each with its remedy, and repeats no secret
 */
export function resolveOptions(
  input: TokenFamilyOptions,
  moreFaults: readonly string[] = [],
): ResolvedOptions {
  const read = new OptionReader(input);
  const keysFrom = read.either(
    GIVEN_KEYS,
    MANAGED_KEYS,
    `must be a list of at least one key, unless ${MANAGED_KEYS} is given`,
  );
  const resolved: ResolvedOptions = {
    issuer: read.text('issuer'),
    audience: read.texts('audience'),
    clientId: read.text('clientId', 'default'),
    accessToken: {
      keys: keysFrom === GIVEN_KEYS ? (read.list('accessToken.keys') as readonly SigningKeyInput[]) : [],
      managedKeys: keysFrom === MANAGED_KEYS ? managedKeys(read) : undefined,
      algorithm: read.choice('accessToken.algorithm', ['ES256', 'RS256', 'HS256'], 'ES256'),
      lifetime: read.duration('accessToken.lifetime', '5m', 1, DAY),
      jitter: read.number('accessToken.jitter', 0.2, 0, 0.5),
      claimsTimeout: read.duration('accessToken.claimsTimeout', '5s', 0.01, 60),
      cacheSize: read.number('accessToken.cacheSize', 10_000, 0, 1_000_000),
    },
    refreshToken: {
      keys: read.secrets('refreshToken.keys'),
      lifetime: read.duration('refreshToken.lifetime', '30d', 1, 3650 * DAY),
      idleLifetime: read.duration('refreshToken.idleLifetime', '7d', 1, 3650 * DAY),
      leeway: read.duration('refreshToken.leeway', '10s', 0, 60),
      carrier: read.choice('refreshToken.carrier', ['any', 'body', 'cookie'], 'any'),
    },
    revocation: {
      pollInterval: read.duration('revocation.pollInterval', '2s', 0.05, 60),
      maxStaleness: read.duration('revocation.maxStaleness', '30s', 0.1, 3600),
      onStale: read.choice('revocation.onStale', ['refuse', 'accept'], 'refuse'),
    },
    database: {
      lockTimeout: read.duration('database.lockTimeout', '2s', 0.01, 60),
      queryTimeout: read.duration('database.queryTimeout', '4s', 0.02, 120),
      preparedStatements: read.boolean('database.preparedStatements', true),
    },
    clockTolerance: read.duration('clockTolerance', '5s', 0, 60),
    claims: read.function('claims') as ClaimsProvider | undefined,
  };
  const faults = [...read.faults(), ...relations(resolved), ...moreFaults];
  if (faults.length > 0) throw new ConfigError(faults);
  return resolved;
}

function managedKeys(read: OptionReader): ResolvedManagedKeys {
  return {
    encryptionKeys: read.secrets('accessToken.managedKeys.encryptionKeys'),
    rotateEvery: read.duration('accessToken.managedKeys.rotateEvery', '30d', 0.4, 3650 * DAY),
    publishLead: read.duration('accessToken.managedKeys.publishLead', '1h', 0.2, 30 * DAY),
  };
}

/** Settings that are allowed and yet weaken a promise; for the log at start. */
export function warningsFor(options: ResolvedOptions): string[] {
  const { accessToken, refreshToken } = options;
  const spread = accessToken.jitter * accessToken.lifetime;
  return spread < 4 * refreshToken.leeway
    ? [
        `accessToken.jitter × accessToken.lifetime is ${spread} s, less than 4 × refreshToken.leeway: ` +
          'a thief who knows the refresh schedule could time requests to it; raise one or lower the leeway',
      ]
    : [];
}

function relations({ accessToken, refreshToken, revocation, database }: ResolvedOptions): string[] {
  const faults: string[] = [];
  const demand = (holds: boolean, fault: string) => {
    if (!holds) faults.push(fault);
  };
  demand(
    refreshToken.idleLifetime <= refreshToken.lifetime,
    'refreshToken.idleLifetime is longer than refreshToken.lifetime: shorten it, or lengthen the other',
  );
  demand(
    refreshToken.leeway < refreshToken.idleLifetime,
    'refreshToken.leeway is not below refreshToken.idleLifetime: shorten it',
  );
  demand(
    revocation.pollInterval < revocation.maxStaleness,
    'revocation.pollInterval is not below revocation.maxStaleness: every poll would come too late',
  );
  demand(
    database.lockTimeout < database.queryTimeout,
    'database.lockTimeout is not below database.queryTimeout: the lock would never time out first',
  );
  const { managedKeys: managed, algorithm } = accessToken;
  if (!managed) return faults;
  demand(
    algorithm !== 'HS256',
    'accessToken.algorithm HS256 has no public key to manage: choose another, or give accessToken.keys',
  );
  demand(
    managed.publishLead < managed.rotateEvery,
    'accessToken.managedKeys.publishLead is not below accessToken.managedKeys.rotateEvery: shorten it',
  );
  demand(
    managed.publishLead >= 2 * revocation.pollInterval,
    'accessToken.managedKeys.publishLead is below 2 × revocation.pollInterval: nodes would not learn of a key before it signs; lengthen it',
  );
  return faults;
}
