import type { Duration } from './lifetime.js';
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

/** What a service without the database authenticates with, by HTTP Basic. */
export interface ResourceServerCredentials {
  /** its name, 1 to 64 of the characters A-Z a-z 0-9 . _ ~ - */
  readonly id: string;
  /** 32 random bytes or more, as text */
  readonly secret: string;
}

/** An application that holds refresh tokens: RFC 6749 section 2. */
export interface ClientOptions {
  /** its `client_id`; 1 to 64 of the characters A-Z a-z 0-9 . _ ~ - for a client with a secret */
  readonly id: string;
  /** 32 random bytes or more, as text; several while it changes. Left out, the client is public: anybody may use its id */
  readonly secret?: string | readonly string[];
}

/** What `AuthModule.forRoot` takes. `issuer`, `audience` and the keys of both kinds of token are required. */
export interface TokenFamilyOptions {
  /** the `iss` of every access token, compared to the letter */
  issuer: string;
  /** the `aud` of every access token; one of them must be in a presented token */
  audience: string | readonly string[];
  /** the client of logins and refreshes that name none; public, unless `clients` has a secret for it */
  clientId?: string | undefined;
  /** further clients, and which of them have to authenticate at the endpoints of RFC 6749 */
  clients?: readonly ClientOptions[] | undefined;
  /** of pages elsewhere than on this server that may use the cookie carrier, such as `https://app.example.com` */
  origins?: readonly string[] | undefined;
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
    /** hear of revocations by NOTIFY as well, on a connection of its own; polling does not depend on it */
    listen?: boolean | undefined;
    /** the database's own address for that connection, a postgres:// URL, where the data source goes through a pooler such as PgBouncer */
    listenUrl?: string | undefined;
  };
  sessions?: {
    /** a login beyond these, 1 to 1,000,000, ends the session of the subject that was used least recently; default: no limit */
    maxPerSubject?: number | undefined;
  };
  prune?: {
    /** whether this node deletes the rows of families that are over */
    enabled?: boolean | undefined;
    every?: Duration | undefined;
    /** how long after its end a family's row is kept */
    keep?: Duration | undefined;
  };
  audit?: {
    /** whether exceptional verdicts and revocations are written to the table `token_audit` */
    enabled?: boolean | undefined;
    keep?: Duration | undefined;
  };
  /** services without the database that may read `GET /auth/revocations`, each by its own secret of 32 bytes or more */
  resourceServers?: readonly ResourceServerCredentials[] | undefined;
  database?: {
    /** for each lock a statement has to wait for */
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

export interface ResolvedClient {
  readonly id: string;
  /** empty for a public client */
  readonly secrets: readonly string[];
}

/** Durations in seconds; every default applied. Also the injection token of the validated options. */
export interface ResolvedOptions {
  readonly issuer: string;
  readonly audience: readonly string[];
  readonly clientId: string;
  /** `clientId` among them */
  readonly clients: readonly ResolvedClient[];
  readonly origins: readonly string[];
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
    readonly listen: boolean;
    readonly listenUrl: string | undefined;
  };
  readonly sessions: {
    /** Infinity when there is no limit */
    readonly maxPerSubject: number;
  };
  readonly prune: {
    readonly enabled: boolean;
    readonly every: number;
    readonly keep: number;
  };
  readonly audit: {
    readonly enabled: boolean;
    readonly keep: number;
  };
  readonly resourceServers: readonly ResourceServerCredentials[];
  readonly database: {
    readonly lockTimeout: number;
    readonly queryTimeout: number;
    readonly preparedStatements: boolean;
  };
  readonly clockTolerance: number;
  readonly claims: ClaimsProvider | undefined;
}

export const ResolvedOptions = Symbol('ResolvedOptions');
