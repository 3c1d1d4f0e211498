import { randomBytes } from 'node:crypto';
import type { TokenPair } from 'nestjs-token-family';
import { send, type Answer } from '../support/http.js';
import { options, type NodeSettings } from '../support/node.js';
import type { Fixture } from '../support/on-both-adapters.js';

const secret = (): string => randomBytes(32).toString('base64');

/** A public client, two with secrets, and a resource server; `backend` is changing its secret. */
export const WEB = { client_id: 'web' };
export const BACKEND = { client_id: 'backend', client_secret: secret() };
export const BACKEND_BEFORE = { client_id: 'backend', client_secret: secret() };
export const PARTNER = { client_id: 'partner', client_secret: secret() };
export const REPORTS = { client_id: 'reports', client_secret: secret() };

export const oauthOptions = options({
  clients: [
    { id: WEB.client_id },
    { id: BACKEND.client_id, secret: [BACKEND.client_secret, BACKEND_BEFORE.client_secret] },
    { id: PARTNER.client_id, secret: PARTNER.client_secret },
  ],
  resourceServers: [{ id: REPORTS.client_id, secret: REPORTS.client_secret }],
});
export const oauthSettings: Omit<NodeSettings, 'url' | 'adapter'> = { options: oauthOptions };

export type Form = Record<string, string> | string;

export const basic = (id: string, password: string): Record<string, string> => ({
  authorization: `Basic ${Buffer.from(`${id}:${password}`).toString('base64')}`,
});

/** With an escape for every letter: RFC 6749 section 2.3.1 leaves it to the client which ones it escapes. */
export const formEncoded = (text: string): string =>
  text.replace(/./g, (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`);

export const basicOf = ({ client_id, client_secret }: typeof BACKEND): Record<string, string> =>
  basic(client_id, client_secret);

export const INVALID_CLIENT = { error: 'invalid_client', error_description: 'Client authentication failed' };
export const INVALID_GRANT = {
  error: 'invalid_grant',
  error_description: 'The grant is invalid, expired or revoked',
};
export const CHALLENGE = 'Basic realm="api", charset="UTF-8"';

/** What a request to `/oauth/*` may do, and what it leaves behind. */
export class OAuth {
  constructor(private readonly fixture: Fixture) {}

  post(endpoint: string, form: Form, headers: Record<string, string> = {}): Promise<Answer> {
    return send(`${this.fixture.node.url}/oauth/${endpoint}`, { form, headers });
  }

  refresh(
    refreshToken: unknown,
    form: Record<string, string> = WEB,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const grant = { grant_type: 'refresh_token', refresh_token: String(refreshToken) };
    return this.post('token', { ...grant, ...form }, headers);
  }

  revoke(token: string, form: Record<string, string> = WEB): Promise<Answer> {
    return this.post('revoke', { token, ...form });
  }

  introspect(token: string, form: Record<string, string> = BACKEND): Promise<Answer> {
    return this.post('introspect', { token, ...form });
  }

  login(clientId = 'web', scope: string | undefined = 'read write'): Promise<TokenPair> {
    return this.fixture.node.tokens.issue('alice', { clientId, ...(scope !== undefined && { scope }) });
  }

  /** Every row, to the letter and with the transaction that wrote it: what is equal was not written. */
  rows(): Promise<object[]> {
    return this.fixture.database.query(
      'select xmin::text, ctid::text, * from refresh_token order by family_id',
    );
  }

  async reasonOf(sid: string): Promise<string | null> {
    const sql = 'select revocation_reason as reason from refresh_token where family_id = $1';
    return (await this.fixture.database.query<{ reason: string | null }>(sql, [sid]))[0]!.reason;
  }

  passTime(seconds: number): Promise<void> {
    return this.fixture.database.passTime(seconds);
  }
}
