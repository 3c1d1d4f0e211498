/** A client, as either side knows it; without a secret it is a public one. */
export interface Client {
  readonly id: string;
  readonly secret?: string;
}

/** Each of its characters has to survive form encoding, Base64, and the colon that parts it from the id. */
const AWKWARD = 'a:b%41c+d/e=f&g_h~"0123456789abcdef';

export const APP: Client = { id: 'app' };
export const WEB: Client = { id: 'web', secret: AWKWARD };
export const OTHER: Client = { id: 'other', secret: 'another-secret-0123456789abcdefgh' };
export const CLIENTS = [APP, WEB, OTHER];

/** The resource server: it looks at access tokens, whosever they are, and has none of its own. */
export const REPORTS: Client = { id: 'reports', secret: 'reports-secret-0123456789abcdefgh' };

export const SUBJECT = 'alice';
export const SCOPE = 'read write';
/** seconds */
export const LIFETIMES = { access: 300, refresh: 14 * 86_400 };

/** RFC 6749 section 2.3.1: both are form-encoded before they are put together. */
export function basic({ id, secret = '' }: Client): string {
  const encoded = [id, secret].map((text) => new URLSearchParams({ '': text }).toString().slice(1));
  return `Basic ${Buffer.from(encoded.join(':')).toString('base64')}`;
}

/** For what no client would send. */
export function basicOf(text: string): string {
  return `Basic ${Buffer.from(text).toString('base64')}`;
}
