import { ConfigError } from './errors.js';
import type { Duration } from './lifetime.js';
import { OptionReader } from './option-reader.js';
import type { SigningKeyInput } from './options.js';

/** An issuer whose access tokens are believed. */
export interface TrustedIssuerOptions {
  /** the `iss` of its tokens, compared to the letter */
  issuer: string;
  /** what this service is to it: one of them must be in a token's `aud` */
  audience: string | readonly string[];
  /** where it publishes its keys; https, or http to this very machine */
  jwksUri?: string | undefined;
  /** its public keys, in place of `jwksUri`: for tests, and for networks without a way to the issuer */
  keys?: readonly SigningKeyInput[] | undefined;
  /** the longest lifetime that is believed; the issuer's `accessToken.lifetime`, or longer */
  maxLifetime?: Duration | undefined;
  /** where it tells of revoked sessions; without it a token is good until it expires */
  revocations?: RemoteFeedOptions | undefined;
}

/** An issuer's feed of revocations, and what it knows this service by: one of its `resourceServers`. */
export interface RemoteFeedOptions {
  /** `{prefix}/revocations` of the issuer; https, or http to this very machine */
  uri: string;
  id: string;
  secret: string;
}

/** What `ResourceServerModule.forRoot` takes: one issuer, or a list of them, and what holds for all. */
export type ResourceServerOptions = (TrustedIssuerOptions | { issuers: readonly TrustedIssuerOptions[] }) & {
  jwks?: {
    /** how often the keys are fetched; shorter than the time an issuer publishes a key before it signs */
    refreshInterval?: Duration | undefined;
    /** a token that names an unknown key is worth a look at the issuer so often, and no more */
    coolDown?: Duration | undefined;
    /** how long the last good keys are believed while the issuer is out of reach */
    maxStaleness?: Duration | undefined;
    /** for one fetch, the body included */
    timeout?: Duration | undefined;
    /** whether keys may come over plain http from another machine: who can change them there can sign tokens */
    allowHttp?: boolean | undefined;
  };
  /** of issuers with `revocations` */
  revocation?: {
    /** how often an issuer is asked what it has revoked */
    pollInterval?: Duration | undefined;
    /** without news for this long, `onStale` decides */
    maxStaleness?: Duration | undefined;
    /** `refuse` answers 503, `accept` lets tokens pass unchecked */
    onStale?: 'refuse' | 'accept' | undefined;
    /** for one answer, the body included */
    timeout?: Duration | undefined;
  };
  /** how many verified tokens a node remembers, about 1.5 KB each */
  cacheSize?: number | undefined;
  /** how far this node's clock may be off */
  clockTolerance?: Duration | undefined;
};

/** Durations in seconds; every default applied. */
export interface ResolvedIssuer {
  readonly issuer: string;
  readonly audience: readonly string[];
  readonly jwksUri: string | undefined;
  readonly keys: readonly SigningKeyInput[];
  readonly maxLifetime: number;
  readonly revocations: Readonly<RemoteFeedOptions> | undefined;
}

export interface ResolvedResourceServerOptions {
  readonly issuers: readonly ResolvedIssuer[];
  readonly jwks: {
    readonly refreshInterval: number;
    readonly coolDown: number;
    readonly maxStaleness: number;
    readonly timeout: number;
    readonly allowHttp: boolean;
  };
  readonly revocation: {
    readonly pollInterval: number;
    readonly maxStaleness: number;
    readonly onStale: 'refuse' | 'accept';
    readonly timeout: number;
  };
  readonly cacheSize: number;
  readonly clockTolerance: number;
}

const DAY = 86_400;

/**
 * Applies the defaults and finds every fault in one pass.
 *
 * @param faultsOfKeys what speaks against the keys at `path`
 * @throws {ConfigError} names all of them, each with its remedy
 */
export function resolveResourceServerOptions(
  input: ResourceServerOptions,
  faultsOfKeys: (keys: readonly SigningKeyInput[], path: string) => readonly string[],
): ResolvedResourceServerOptions {
  const read = new OptionReader(input);
  const count = read.count('issuers');
  const prefixes = count === null ? [''] : Array.from({ length: count }, (_, index) => `issuers.${index}.`);
  const resolved: ResolvedResourceServerOptions = {
    issuers: prefixes.map((prefix) => ({
      issuer: read.text(`${prefix}issuer`),
      audience: read.texts(`${prefix}audience`),
      jwksUri: read.optionalText(`${prefix}jwksUri`),
      keys: read.optionalList(`${prefix}keys`) as readonly SigningKeyInput[],
      maxLifetime: read.duration(`${prefix}maxLifetime`, '1h', 1, DAY),
      revocations: remoteFeed(read, prefix),
    })),
    jwks: {
      refreshInterval: read.duration('jwks.refreshInterval', '5m', 0.05, DAY),
      coolDown: read.duration('jwks.coolDown', '30s', 0.05, 3600),
      maxStaleness: read.duration('jwks.maxStaleness', '1d', 1, 30 * DAY),
      timeout: read.duration('jwks.timeout', '5s', 0.05, 60),
      allowHttp: read.boolean('jwks.allowHttp', false),
    },
    revocation: {
      pollInterval: read.duration('revocation.pollInterval', '2s', 0.05, 60),
      maxStaleness: read.duration('revocation.maxStaleness', '30s', 0.1, 3600),
      onStale: read.choice('revocation.onStale', ['refuse', 'accept'], 'refuse'),
      timeout: read.duration('revocation.timeout', '5s', 0.05, 60),
    },
    cacheSize: read.number('cacheSize', 10_000, 0, 1_000_000),
    clockTolerance: read.duration('clockTolerance', '5s', 0, 60),
  };
  const faults = [
    ...read.faults(),
    ...resolved.issuers.flatMap((each, index) => [
      ...sourceFaults(each, prefixes[index]!, resolved.jwks.allowHttp),
      ...feedFaults(each, prefixes[index]!, resolved.jwks.allowHttp),
      ...faultsOfKeys(each.keys, `${prefixes[index]}keys`),
    ]),
    ...relations(resolved),
  ];
  if (faults.length > 0) throw new ConfigError(faults, 'ResourceServerModule');
  return resolved;
}

/** Undefined where nothing of it is given. */
function remoteFeed(read: OptionReader, prefix: string): RemoteFeedOptions | undefined {
  const uri = read.optionalText(`${prefix}revocations.uri`);
  const id = read.credentialsId(`${prefix}revocations.id`);
  const secret = read.credentialsSecret(`${prefix}revocations.secret`);
  return [uri, id, secret].every((each) => each === undefined)
    ? undefined
    : ({ uri, id, secret } as RemoteFeedOptions);
}

/** Settings that are allowed and yet leave a gap; for the log at start. */
export function warningsForResourceServer({ issuers }: ResolvedResourceServerOptions): string[] {
  const deaf = issuers.filter(({ revocations }) => revocations === undefined).map(({ issuer }) => issuer);
  return deaf.length === 0
    ? []
    : [
        `Nothing is heard of sessions that ${deaf.join(' and ')} ends: their access tokens are good until they expire. ` +
          'Set revocations to the address of its feed, with the id and secret it knows this service by',
      ];
}

function relations({ issuers, jwks, revocation }: ResolvedResourceServerOptions): string[] {
  const faults: string[] = [];
  const names = issuers.map(({ issuer }) => issuer).filter((issuer) => issuer !== '');
  if (new Set(names).size < names.length) {
    faults.push('issuers names an issuer twice: remove one');
  }
  if (jwks.refreshInterval >= jwks.maxStaleness) {
    faults.push('jwks.refreshInterval is not below jwks.maxStaleness: every fetch would come too late');
  }
  if (revocation.pollInterval >= revocation.maxStaleness) {
    faults.push(
      'revocation.pollInterval is not below revocation.maxStaleness: every poll would come too late',
    );
  }
  if (revocation.timeout >= revocation.maxStaleness) {
    faults.push(
      'revocation.timeout is not below revocation.maxStaleness: an answer would be stale when it is given up',
    );
  }
  return faults;
}

function sourceFaults({ jwksUri, keys }: ResolvedIssuer, prefix: string, allowHttp: boolean): string[] {
  if ((jwksUri === undefined) === (keys.length === 0)) {
    return [`${prefix}jwksUri or ${prefix}keys must be given, and not both`];
  }
  if (jwksUri === undefined) return [];
  return uriFaults(`${prefix}jwksUri`, jwksUri, allowHttp, 'who changes the keys on their way signs tokens');
}

function feedFaults({ revocations }: ResolvedIssuer, prefix: string, allowHttp: boolean): string[] {
  if (!revocations) return [];
  // Whatever was given and is wrong has been told already, and stands here as an empty text.
  const { uri, id, secret } = revocations as Partial<RemoteFeedOptions>;
  const faults =
    uri === undefined || id === undefined || secret === undefined
      ? [`${prefix}revocations takes uri, id and secret: give all three of them`]
      : [];
  const danger = 'who listens on the way learns the secret, and who changes the answer hides what it names';
  return uri ? [...faults, ...uriFaults(`${prefix}revocations.uri`, uri, allowHttp, danger)] : faults;
}

const THIS_MACHINE = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

/** @param danger of plain http */
function uriFaults(path: string, text: string, allowHttp: boolean, danger: string): string[] {
  if (!URL.canParse(text)) return [`${path} must be a URL`];
  const { protocol, hostname, username, password } = new URL(text);
  if (username !== '' || password !== '') return [`${path} must not hold a user name or a password`];
  if (protocol === 'https:') return [];
  if (protocol === 'http:' && (allowHttp || THIS_MACHINE.test(hostname))) return [];
  return [`${path} must be https: ${danger}. In a network you trust, set jwks.allowHttp`];
}
