import { platform, type Channel } from './platform.js';
import { sessionOf, type Session, type SessionChange } from './session.js';
import { tabsKey, type TabsKey } from './tabs-key.js';
import type { Tokens } from './token-response.js';

/**
 * What a tab tells the others. None of it is a secret: a refresh token never leaves its storage, and an access token is
 * sealed.
 */
export interface News {
  readonly session: Session;
  /** the session is over */
  readonly ended?: SessionChange['reason'];
  /** an access token of it, fresh from the server, as JSON, by AES-GCM */
  readonly sealed?: ArrayBuffer;
  readonly iv?: Uint8Array<ArrayBuffer>;
}

/** The other tabs of this origin, or, where there is no BroadcastChannel, nobody. */
export interface Tabs {
  /** Resolves when it is said. */
  share(tokens: Tokens): Promise<void>;
  end(session: Session, reason: SessionChange['reason']): void;
  close(): void;
}

/**
 * @param name null: this tab is alone
 * @param hear called with what another tab tells, one after the other; `tokens` with what is left of their lifetime
 */
export function joinTabs(
  name: string | null,
  hear: (news: News, tokens: Tokens | null) => Promise<void>,
): Tabs | null {
  const channel = name === null ? null : openChannel(name);
  if (!channel) return null;
  let key: Promise<TabsKey> | undefined;
  let last: Promise<void> = Promise.resolve();
  const getKey = (): Promise<TabsKey> => (key ??= tabsKey(name!));

  async function seal(tokens: Tokens): Promise<Pick<News, 'sealed' | 'iv'>> {
    const iv = crypto.getRandomValues(new Uint8Array(12));
    const bytes = new TextEncoder().encode(JSON.stringify(tokens));
    return { iv, sealed: await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, await getKey(), bytes) };
  }

  async function open({ iv, sealed }: News): Promise<Tokens> {
    const bytes = await crypto.subtle.decrypt({ name: 'AES-GCM', iv: iv! }, await getKey(), sealed!);
    return JSON.parse(new TextDecoder().decode(bytes)) as Tokens;
  }

  function tell(news: News): void {
    try {
      channel!.postMessage(news);
    } catch {
      // Closed: the client was disposed meanwhile.
    }
  }

  channel.onmessage = ({ data }) => {
    const news = data as News;
    last = last.then(async () => hear(news, await open(news).catch(() => null))).catch(() => {});
  };

  return {
    async share(tokens) {
      // Without a key the others know at least that there is a session.
      tell({ session: sessionOf(tokens), ...(await seal(tokens).catch(() => null)) });
    },
    end: (session, ended) => tell({ session, ended }),
    close: () => channel.close(),
  };
}

function openChannel(name: string): Channel | null {
  try {
    const channel = new platform.BroadcastChannel!(name);
    channel.unref?.();
    return channel;
  } catch {
    // There is none, or not for an opaque origin.
    return null;
  }
}
