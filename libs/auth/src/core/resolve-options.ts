import { ConfigError } from './errors.js';
import { OptionReader } from './option-reader.js';
import type {
  ResolvedClient,
  ResolvedManagedKeys,
  ResolvedOptions,
  SigningKeyInput,
  TokenFamilyOptions,
} from './options.js';
import type { ClaimsProvider } from './ports.js';

const DAY = 86_400;
/** What two clocks and a long transaction may take; seconds. */
const MARGIN = 3600;

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
  const clientId = read.text('clientId', 'default');
  const resolved: ResolvedOptions = {
    issuer: read.text('issuer'),
    audience: read.texts('audience'),
    clientId,
    clients: withDefault(clientId, read.clients('clients')),
    origins: read.origins('origins'),
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
      listen: read.boolean('revocation.listen', true),
      listenUrl: read.postgresUrl('revocation.listenUrl'),
    },
    sessions: {
      maxPerSubject: read.wholeNumber('sessions.maxPerSubject', Infinity, 1, 1_000_000),
    },
    prune: {
      enabled: read.boolean('prune.enabled', true),
      every: read.duration('prune.every', '10m', 1, DAY),
      keep: read.duration('prune.keep', '2d', 3600, 3650 * DAY),
    },
    audit: {
      enabled: read.boolean('audit.enabled', false),
      keep: read.duration('audit.keep', '90d', 3600, 3650 * DAY),
    },
    resourceServers: read.credentials('resourceServers'),
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

/** A client that is not listed is public. */
function withDefault(clientId: string, listed: readonly ResolvedClient[]): ResolvedClient[] {
  return listed.some(({ id }) => id === clientId) ? [...listed] : [{ id: clientId, secrets: [] }, ...listed];
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

function relations({ accessToken, refreshToken, revocation, prune, database }: ResolvedOptions): string[] {
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
    revocation.listen || revocation.listenUrl === undefined,
    'revocation.listenUrl is given, and revocation.listen is false: remove one of them',
  );
  demand(
    database.lockTimeout < database.queryTimeout,
    'database.lockTimeout is not below database.queryTimeout: the lock would never time out first',
  );
  demand(
    !prune.enabled || prune.keep >= accessToken.lifetime + MARGIN,
    `prune.keep is below accessToken.lifetime + ${MARGIN} s: a family must not be forgotten before its last access token; lengthen it`,
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
