import type { TokenStorage } from 'token-family-client';

/** Where the refresh token is kept, for all tabs; every access waits for `before`. */
export class SharedText {
  text: string | null = null;
  before: (method: 'get' | 'set' | 'remove') => unknown = () => {};

  /** As one tab sees it: a tab that has died does nothing any more. */
  storageOf(isAlive: () => boolean): TokenStorage {
    const access = async <T>(method: 'get' | 'set' | 'remove', carryOut: () => T): Promise<T> => {
      await this.before(method);
      return isAlive() ? carryOut() : new Promise<never>(() => {});
    };
    return {
      get: () => access('get', () => this.text),
      set: (value) => access('set', () => (this.text = value)),
      remove: () => access('remove', () => (this.text = null)),
    };
  }

  get content(): { token: string; key: string; session: { sid: string } } | null {
    return this.text === null ? null : JSON.parse(this.text);
  }
}
