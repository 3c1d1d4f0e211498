/** Where and how one of the demo's applications listens. */
export interface ListenSettings {
  readonly port: number;
  readonly adapter: 'express' | 'fastify';
}

/** What the second application authenticates with at the first one's feed of revocations; both read it. */
export interface FeedCredentials {
  readonly id: string;
  /** undefined: the first application makes one, and leaves it where the second one finds it */
  readonly secret: string | undefined;
}

/** What a server-side application authenticates with when it refreshes. */
interface ClientCredentials {
  readonly id: string;
  readonly secret: string;
}

/** What the demo reads from its environment; durations as `10s`, `5m`, `30d`, or seconds. */
export interface Settings extends ListenSettings {
  readonly issuer: string;
  readonly audience: string;
  /** of pages elsewhere that may use the cookie, and that CORS lets in */
  readonly origins: readonly string[];
  readonly accessTokenLifetime: string | undefined;
  readonly signingKeyRotateEvery: string | undefined;
  readonly signingKeyPublishLead: string | undefined;
  readonly refreshTokenLifetime: string | undefined;
  readonly refreshTokenIdleLifetime: string | undefined;
  readonly refreshTokenLeeway: string | undefined;
  readonly revocationPollInterval: string | undefined;
  readonly revocationMaxStaleness: string | undefined;
  readonly resourceServer: FeedCredentials;
  /** a client with a secret, for the endpoints of RFC 6749; null: there is none beside the public one */
  readonly client: ClientCredentials | null;
  /** whether logins and refreshes are limited in number */
  readonly isThrottling: boolean;
  /** seconds from SIGTERM until the node stops listening, so that a load balancer can learn that it is not ready */
  readonly drainDelay: number;
}

/** What the second application reads: whom it trusts, and as whom it is addressed. */
export interface ResourceSettings extends ListenSettings {
  readonly issuer: string;
  readonly audience: string;
  readonly jwksUri: string;
  readonly jwksRefreshInterval: string | undefined;
  readonly jwksCoolDown: string | undefined;
  readonly revocationsUri: string;
  readonly revocations: FeedCredentials;
  readonly revocationPollInterval: string | undefined;
  readonly revocationMaxStaleness: string | undefined;
}

const DEFAULT_PORT = 3000;
const DEFAULT_RESOURCE_PORT = 3001;
const DEFAULT_AUDIENCE = 'demo-api';

/** Lifetimes are passed on as they are: the library has the defaults and finds the faults. */
export function readSettings(env: NodeJS.ProcessEnv): Settings {
  const read = reading(env);
  const listen = readListenSettings(env, DEFAULT_PORT);
  return {
    ...listen,
    issuer: read('ISSUER') ?? `http://localhost:${listen.port}`,
    audience: read('AUDIENCE') ?? DEFAULT_AUDIENCE,
    origins: listIn(read('ORIGINS')),
    accessTokenLifetime: read('ACCESS_TOKEN_LIFETIME'),
    signingKeyRotateEvery: read('SIGNING_KEY_ROTATE_EVERY'),
    signingKeyPublishLead: read('SIGNING_KEY_PUBLISH_LEAD'),
    refreshTokenLifetime: read('REFRESH_TOKEN_LIFETIME'),
    refreshTokenIdleLifetime: read('REFRESH_TOKEN_IDLE_LIFETIME'),
    refreshTokenLeeway: read('REFRESH_TOKEN_LEEWAY'),
    revocationPollInterval: read('REVOCATION_POLL_INTERVAL'),
    revocationMaxStaleness: read('REVOCATION_MAX_STALENESS'),
    resourceServer: readFeedCredentials(env),
    client: readClient(env),
    isThrottling: readSwitch('THROTTLE', read('THROTTLE')),
    drainDelay: readDrainDelay(read('DRAIN_DELAY')),
  };
}

export function readResourceSettings(env: NodeJS.ProcessEnv): ResourceSettings {
  const read = reading(env);
  const issuer = read('ISSUER') ?? `http://localhost:${DEFAULT_PORT}`;
  return {
    ...readListenSettings(env, DEFAULT_RESOURCE_PORT),
    issuer,
    audience: read('AUDIENCE') ?? DEFAULT_AUDIENCE,
    jwksUri: read('JWKS_URI') ?? `${issuer}/.well-known/jwks.json`,
    jwksRefreshInterval: read('JWKS_REFRESH_INTERVAL'),
    jwksCoolDown: read('JWKS_COOL_DOWN'),
    revocationsUri: read('REVOCATIONS_URI') ?? `${issuer}/auth/revocations`,
    revocations: readFeedCredentials(env),
    revocationPollInterval: read('REVOCATION_POLL_INTERVAL'),
    revocationMaxStaleness: read('REVOCATION_MAX_STALENESS'),
  };
}

function readFeedCredentials(env: NodeJS.ProcessEnv): FeedCredentials {
  const read = reading(env);
  return { id: read('REVOCATIONS_ID') ?? 'reports', secret: read('REVOCATIONS_SECRET') };
}

function readClient(env: NodeJS.ProcessEnv): ClientCredentials | null {
  const read = reading(env);
  const [id, secret] = [read('CLIENT_ID'), read('CLIENT_SECRET')];
  if (id === undefined && secret === undefined) return null;
  if (id === undefined || secret === undefined)
    throw new Error('CLIENT_ID and CLIENT_SECRET must be set together, or neither of them');
  return { id, secret };
}

function readListenSettings(env: NodeJS.ProcessEnv, defaultPort: number): ListenSettings {
  const read = reading(env);
  const port = Number(read('PORT') ?? defaultPort);
  const adapter = read('HTTP_ADAPTER') ?? 'express';
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new Error('PORT must be a number from 0 to 65535');
  if (adapter !== 'express' && adapter !== 'fastify')
    throw new Error('HTTP_ADAPTER must be express or fastify');
  return { port, adapter };
}

function readDrainDelay(text = '0'): number {
  const [, seconds] = /^(\d{1,3})s?$/.exec(text) ?? [];
  if (seconds === undefined) throw new Error('DRAIN_DELAY must be a number of seconds, such as 10s');
  return Number(seconds);
}

function readSwitch(name: string, text = 'off'): boolean {
  if (text !== 'on' && text !== 'off') throw new Error(`${name} must be on or off`);
  return text === 'on';
}

/** Comma-separated; none without one. */
function listIn(text = ''): string[] {
  return text
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '');
}

/** A variable that is set and empty means: not set. */
function reading(env: NodeJS.ProcessEnv): (name: string) => string | undefined {
  return (name) => env[name] || undefined;
}
