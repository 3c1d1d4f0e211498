import { platform, type Channel } from './platform.js';
import type { Session, SessionChange } from './session.js';
import { tabsKey, type TabsKey } from './tabs-key.js';
import { attempt } from './storages.js';
import type { Tokens } from './token-response.js';
import { waitFor } from './wait.js';

/**
 * What a tab tells the others. None of it is a secret: a refresh token never leaves its storage, and an access token is
 * sealed.
 */
export interface News {
  readonly session: Session;
  /** it is new: by a login */
  readonly isLogin?: boolean;
  /** it is over */
  readonly ended?: SessionChange['reason'];
  /** an access token of it, fresh from the server */
  readonly sealed?: Sealed | undefined;
}

/** JSON, by AES-GCM. */
interface Sealed {
  readonly iv: Uint8Array<ArrayBuffer>;
  readonly text: ArrayBuffer;
}

/** The other tabs of this origin. */
export interface Tabs {
  /** @returns undefined where the tabs have no key in common: the others know at least that there is a session */
  seal(tokens: Tokens): Promise<Sealed | undefined>;
  tell(news: News): void;
  close(): void;
}

/** Milliseconds: a browser whose IndexedDB hangs must not hang this. */
const LONGEST = 1_000;

/**
 * @param hear called with what another tab tells; `tokens` with what is left of their lifetime
 * @returns null where there is no BroadcastChannel
 */
export function joinTabs(
  name: string,
  hear: (news: News, tokens: Tokens | undefined) => Promise<void>,
): Tabs | null {
  const channel = openChannel(name);
  if (!channel) return null;
  let made: Promise<TabsKey> | undefined;

  async function withKey<T>(use: (key: TabsKey) => Promise<T>): Promise<T | undefined> {
    try {
      return await waitFor((made ??= tabsKey(name)).then(use), LONGEST);
    } catch {
      return undefined;
    }
  }

  function open({ iv, text }: Sealed): Promise<Tokens | undefined> {
    return withKey(async (key) => {
      const bytes = await crypto.subtle.decrypt({ name: 'AES-GCM', iv }, key, text);
      const [tokens, sealedAt] = (await new Response(bytes).json()) as [Tokens, number];
      // A frozen tab hears late.
      return { ...tokens, expires_in: tokens.expires_in - (Date.now() - sealedAt) / 1000 };
    });
  }

  channel.onmessage = async ({ data }) => {
    const news = data as News;
    await hear(news, news.sealed && (await open(news.sealed))).catch(() => {});
  };

  return {
    seal: (tokens) =>
      withKey(async (key) => {
        const iv = crypto.getRandomValues(new Uint8Array(12));
        const bytes = new TextEncoder().encode(JSON.stringify([tokens, Date.now()]));
        return { iv, text: await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, key, bytes) };
      }),
    tell: (news) => channel.postMessage(news),
    close: () => channel.close(),
  };
}

/** Undefined where there is none, or not for an opaque origin. */
function openChannel(name: string): Channel | undefined {
  const channel = attempt(() => new platform.BroadcastChannel!(name));
  channel?.unref?.();
  return channel;
}
