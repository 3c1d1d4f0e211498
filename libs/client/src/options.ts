import { memoryStorage } from './storages.js';
import { platform } from './platform.js';
import type { TokenStorage } from './storage.js';

export interface TokenClientOptions {
  /**
   * Where the server is: `https://api.example.com`. In a page an empty text or a path will do, for the page's own origin.
   * `fetch` resolves relative addresses against it.
   */
  readonly baseUrl: string;
  /** As `routes.prefix` of the server; `auth`. */
  readonly prefix?: string | undefined;
  /** `cookie`: in the server's HttpOnly cookie, the default in pages. Elsewhere `memoryStorage()`. */
  readonly storage?: 'cookie' | TokenStorage | undefined;
  /** Origins besides that of `baseUrl` to which `fetch` may send the access token. */
  readonly origins?: readonly string[] | undefined;
  /** The `client_id` of the refresh; needed unless it is the server's default client. */
  readonly clientId?: string | undefined;
  /** Tabs of one origin whose clients have the same name share one session; derived from `baseUrl`. */
  readonly name?: string | undefined;
  /**
   * Seconds for one request to the server, and for waiting until another tab is done; 10. Keep it within the server's leeway.
   *
   * With the cookie, where there are no Web Locks, 5, half a leeway: of two answers that are under way at once the later one
   * must not put a cookie back that was spent meanwhile.
   */
  readonly timeout?: number | undefined;
  /** Seconds that somebody who needs an access token waits while the server cannot be reached; 30. */
  readonly patience?: number | undefined;
  /** In place of the platform's. */
  readonly fetch?: typeof fetch | undefined;
}

/** Durations in milliseconds. */
export interface ResolvedOptions {
  readonly base: URL;
  readonly routes: URL;
  /** null: the cookie */
  readonly storage: TokenStorage | null;
  readonly origins: ReadonlySet<string>;
  readonly clientId: string | undefined;
  readonly name: string;
  readonly timeout: number;
  readonly patience: number;
  readonly fetch: typeof fetch;
}

/** @throws {TypeError} `baseUrl` is no address, or a path outside of pages; one of `origins` is no address */
export function resolveOptions(options: TokenClientOptions): ResolvedOptions {
  const { prefix = 'auth', origins = [], clientId, timeout = 10, patience = 30 } = options;
  const base = new URL(options.baseUrl.replace(/\/*$/, '/'), platform.location?.origin);
  const storage = options.storage ?? (platform.document ? 'cookie' : memoryStorage());
  const isUnlocked = storage === 'cookie' && !platform.navigator?.locks;
  return {
    base,
    routes: new URL(prefix && `${prefix}/`, base),
    storage: storage === 'cookie' ? null : storage,
    origins: new Set([base, ...origins].map((origin) => new URL(origin).origin)),
    clientId,
    name: options.name ?? `token-family ${base.href}`,
    timeout: 1000 * (options.timeout ?? (isUnlocked ? timeout / 2 : timeout)),
    patience: patience * 1000,
    // Looked up at each call, so that what instruments it later is heard; and called as the platform wants it, on nothing.
    fetch: options.fetch ?? ((...request) => fetch(...request)),
  };
}
