import { setTimeout as sleep } from 'node:timers/promises';
import {
  createTokenClient,
  TokenClientError,
  type SessionChange,
  type TokenClient,
  type TokenStorage,
} from 'token-family-client';
import type { Random } from './random.js';

/** Between two requests of one user, milliseconds. */
const PAUSES = [300, 1_500] as const;
/** Milliseconds: longer than a token takes that is there. */
const AT_ONCE = 20;

/** What all users of a run have in common. */
export interface Surroundings {
  readonly baseUrl: string;
  readonly random: Random;
}

/** Who shares a session, as tabs do: the name, and where its refresh token is kept. */
export interface Household {
  readonly name: string;
  readonly storage: TokenStorage;
}

/** What one client has been through. Times in milliseconds. */
export interface Seen {
  readonly changes: SessionChange[];
  /** from the need of an access token to having one, each time it was not there at once */
  readonly outages: number[];
  accepted: number;
  /** what no honest client may see */
  readonly refusals: string[];
}

/** Somebody with a real client, who uses it as an application does. */
export class ClientUser {
  readonly seen: Seen = { changes: [], outages: [], accepted: 0, refusals: [] };
  client: TokenClient;

  constructor(
    private readonly around: Surroundings,
    private readonly household: Household,
    /** seconds, of one request to the server */
    private readonly timeout: number,
  ) {
    this.client = this.#create();
  }

  /** The page is loaded anew: all that is left is the storage. */
  reload(): void {
    this.client.dispose();
    this.client = this.#create();
  }

  async live(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#use();
      await sleep(this.around.random.between(...PAUSES));
    }
  }

  /** Until a request is answered 200. @returns milliseconds it took */
  async untilAccepted(patience: number): Promise<number> {
    const start = performance.now();
    const { accepted } = this.seen;
    for (;;) {
      await this.#use();
      const took = performance.now() - start;
      if (this.seen.accepted > accepted) return took;
      if (took > patience)
        throw new Error(`${this.household.name} is without access ${patience} ms after the end`);
      await sleep(20);
    }
  }

  #create(): TokenClient {
    const client = createTokenClient({
      baseUrl: this.around.baseUrl,
      timeout: this.timeout,
      ...this.household,
    });
    client.onSessionChange((change) => this.seen.changes.push(change));
    return client;
  }

  async #use(): Promise<void> {
    try {
      await this.#getAccessToken();
      const response = await this.client.fetch(`${this.around.baseUrl}/me`);
      await response.text();
      if (response.status === 200) this.seen.accepted++;
      else if (response.status !== 503) this.seen.refusals.push(`/me was answered ${response.status}`);
    } catch (error) {
      // Of `fetch` itself: the connection broke. By name, for under Jest the platform has classes of its own.
      const isBroken = (error as Error).name === 'TypeError';
      if (!isBroken && !isUnavailable(error)) this.seen.refusals.push(String(error));
    }
  }

  /** Asks again for as long as the client says that there is none at the moment. */
  async #getAccessToken(): Promise<void> {
    const start = performance.now();
    for (let isThere = false; !isThere;) {
      try {
        await this.client.getAccessToken();
        isThere = true;
      } catch (error) {
        if (!isUnavailable(error)) throw error;
      }
    }
    const outage = performance.now() - start;
    if (outage > AT_ONCE) this.seen.outages.push(outage);
  }
}

function isUnavailable(error: unknown): boolean {
  return error instanceof TokenClientError && error.code === 'ERR_UNAVAILABLE';
}
