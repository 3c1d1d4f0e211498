/** What a page has of IndexedDB, as far as it is used here. */
interface KeyDatabase {
  transaction(store: string, mode: 'readwrite'): { objectStore(name: string): KeyStore };
  createObjectStore(name: string): unknown;
  close(): void;
}

interface KeyStore {
  add(value: unknown, key: number): Request<unknown>;
  get(key: number): Request<TabsKey>;
}

interface Request<T> {
  readonly result: T;
  onsuccess: (() => void) | null;
  onerror: ((event: { preventDefault(): void }) => void) | null;
}

type Opening = Request<KeyDatabase> & { onupgradeneeded: (() => void) | null };

export type TabsKey = Awaited<ReturnType<typeof makeKey>>;

const STORE = 'keys';
const ONLY = 0;

/**
 * The key that the tabs of an origin share, for AES-GCM: in IndexedDB, where every tab can use it and no script can read it.
 *
 * Rejects where there is no IndexedDB, or no Web Cryptography: in pages without TLS.
 *
 * @see W3C Web Cryptography API, section 5.2: a CryptoKey can be stored without its material being exposed
 */
export async function tabsKey(name: string): Promise<TabsKey> {
  const { indexedDB } = globalThis as unknown as { indexedDB: { open(name: string): Opening } };
  const made = await makeKey();
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open(name);
    opening.onerror = reject;
    opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
    opening.onsuccess = () => {
      const database = opening.result;
      const keys = database.transaction(STORE, 'readwrite').objectStore(STORE);
      // Another tab may have been first: then that one's key is it.
      keys.add(made, ONLY).onerror = (event) => event.preventDefault();
      const found = keys.get(ONLY);
      found.onsuccess = () => resolve(found.result);
      database.close();
    };
  });
}

function makeKey() {
  return crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']);
}
