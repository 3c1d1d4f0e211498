import { later, platform, type Channel } from './platform.js';
import { canSeal, newSeal, seal, type Sealed } from './sealed.js';
import type { Session, SessionChange } from './session.js';
import type { Tokens } from './token-response.js';

/** What tabs tell each other. None of it is a secret: an access token goes sealed, to the tab that asked, and a refresh token never. */
type Message =
  | { readonly type: 'login'; readonly session: Session }
  | { readonly type: 'refreshed'; readonly sid: string }
  | { readonly type: 'ended'; readonly sid: string; readonly reason: SessionChange['reason'] }
  | {
      readonly type: 'question';
      readonly id: string;
      readonly sid: string | undefined;
      readonly publicKey: ArrayBuffer;
    }
  | { readonly type: 'answer'; readonly id: string; readonly sealed: Sealed };

/** What this tab does when another one says something. */
export interface Listener {
  login(session: Session): void;
  refreshed(sid: string): void;
  ended(sid: string, reason: SessionChange['reason']): void;
  /** What this tab can hand over of that session, or of any. */
  offer(sid: string | undefined): Tokens | null;
}

/** The other tabs of this origin, or, where there is no BroadcastChannel, nobody. */
export class Tabs {
  readonly #channel: Channel | null;
  readonly #answers = new Map<string, (sealed: Sealed) => void>();

  constructor(
    name: string | null,
    private readonly listener: Listener,
  ) {
    this.#channel = name === null ? null : open(name);
    if (!this.#channel) return;
    this.#channel.onmessage = ({ data }) => void this.#hear(data as Message).catch(() => {});
  }

  /** Whether there can be anybody to ask. */
  get canAsk(): boolean {
    return this.#channel !== null && canSeal();
  }

  login(session: Session): void {
    this.#tell({ type: 'login', session });
  }

  refreshed(sid: string): void {
    this.#tell({ type: 'refreshed', sid });
  }

  ended(sid: string, reason: SessionChange['reason']): void {
    this.#tell({ type: 'ended', sid, reason });
  }

  /**
   * Asks the others for their access token.
   *
   * @param sid of that session, or undefined: of whichever it is
   * @param patience milliseconds
   */
  async ask(sid: string | undefined, patience: number): Promise<Tokens | null> {
    const { publicKey, open: unseal } = await newSeal();
    const id = crypto.randomUUID();
    const sealed = await new Promise<Sealed | null>((resolve) => {
      const stop = later(() => resolve(null), patience);
      this.#answers.set(id, (answer) => {
        stop();
        resolve(answer);
      });
      this.#tell({ type: 'question', id, sid, publicKey });
    });
    this.#answers.delete(id);
    return sealed && (JSON.parse(await unseal(sealed)) as Tokens);
  }

  close(): void {
    this.#channel?.close();
  }

  #tell(message: Message): void {
    try {
      this.#channel?.postMessage(message);
    } catch {
      // Closed: `dispose` was called meanwhile.
    }
  }

  async #hear(message: Message): Promise<void> {
    switch (message.type) {
      case 'login':
        return this.listener.login(message.session);
      case 'refreshed':
        return this.listener.refreshed(message.sid);
      case 'ended':
        return this.listener.ended(message.sid, message.reason);
      case 'answer':
        return this.#answers.get(message.id)?.(message.sealed);
      case 'question': {
        const offer = this.listener.offer(message.sid);
        if (!offer) return;
        const sealed = await seal(JSON.stringify(offer), message.publicKey);
        this.#tell({ type: 'answer', id: message.id, sealed });
      }
    }
  }
}

function open(name: string): Channel | null {
  const { BroadcastChannel } = platform;
  try {
    const channel = BroadcastChannel ? new BroadcastChannel(name) : null;
    channel?.unref?.();
    return channel;
  } catch {
    // An opaque origin.
    return null;
  }
}
