/** What a page, a worker or Node may offer. All of it may be absent, and some throws when it is looked at. */
interface Platform {
  readonly document?: { readonly visibilityState?: string };
  readonly location?: { readonly origin: string };
  readonly navigator?: { readonly onLine?: boolean; readonly locks?: Locks };
  readonly localStorage?: WebStorage;
  readonly BroadcastChannel?: new (name: string) => Channel;
  addEventListener?(
    type: string,
    listener: (event: PageEvent) => void,
    options: { readonly signal: AbortSignal },
  ): void;
}

export interface PageEvent {
  readonly type: string;
  /** of `pageshow`: the page comes out of the cache of pages */
  readonly persisted?: boolean;
}

interface WebStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

interface Locks {
  request<T>(name: string, task: () => Promise<T>): Promise<T>;
}

export interface Channel {
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  postMessage(message: unknown): void;
  close(): void;
  /** in Node: an open channel does not keep the process alive */
  unref?(): void;
}

export const platform = globalThis as unknown as Platform;

/** As `setTimeout`, for what nobody waits for: in Node it does not keep the process alive. */
export function later(task: () => void, milliseconds: number): () => void {
  const timer: unknown = setTimeout(task, milliseconds);
  (timer as { unref?(): void }).unref?.();
  return () => clearTimeout(timer as number);
}
