/** What the demo reads from its environment; durations as `10s`, `5m`, `30d`, or seconds. */
export interface Settings {
  readonly port: number;
  readonly adapter: 'express' | 'fastify';
  readonly issuer: string;
  readonly audience: string;
  readonly accessTokenLifetime: string | undefined;
  readonly refreshTokenLifetime: string | undefined;
  readonly refreshTokenIdleLifetime: string | undefined;
  readonly refreshTokenLeeway: string | undefined;
  readonly revocationPollInterval: string | undefined;
  readonly revocationMaxStaleness: string | undefined;
}

const DEFAULT_PORT = 3000;

/** Lifetimes are passed on as they are: the library has the defaults and finds the faults. */
export function readSettings(env: NodeJS.ProcessEnv): Settings {
  // A variable that is set and empty means: not set.
  const read = (name: string) => env[name] || undefined;
  const port = Number(read('PORT') ?? DEFAULT_PORT);
  const adapter = read('HTTP_ADAPTER') ?? 'express';
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new Error('PORT must be a number from 0 to 65535');
  if (adapter !== 'express' && adapter !== 'fastify')
    throw new Error('HTTP_ADAPTER must be express or fastify');
  return {
    port,
    adapter,
    issuer: read('ISSUER') ?? `http://localhost:${port}`,
    audience: read('AUDIENCE') ?? 'demo-api',
    accessTokenLifetime: read('ACCESS_TOKEN_LIFETIME'),
    refreshTokenLifetime: read('REFRESH_TOKEN_LIFETIME'),
    refreshTokenIdleLifetime: read('REFRESH_TOKEN_IDLE_LIFETIME'),
    refreshTokenLeeway: read('REFRESH_TOKEN_LEEWAY'),
    revocationPollInterval: read('REVOCATION_POLL_INTERVAL'),
    revocationMaxStaleness: read('REVOCATION_MAX_STALENESS'),
  };
}
