import type { IncomingHttpHeaders } from 'node:http';
import type { Page, Seen } from '../front.js';

/** As the nodes say it, word for word. */
const EXPIRED: Page = {
  status: 401,
  headers: {
    'content-type': 'application/json',
    'www-authenticate':
      'Bearer realm="api", error="invalid_token", error_description="The access token expired"',
  },
  body: '{"error":"invalid_token"}',
};

/** Lets access tokens expire before the nodes' clocks say so: what they would answer comes from here. */
export class Expiry {
  readonly #issued = new Set<string>();
  readonly #expired = new Set<string>();

  /** Notes the access tokens in these answers. */
  remember(answers: readonly Seen[]): void {
    for (const { path, body, status } of answers) {
      if (path.startsWith('/auth/') && status === 200)
        this.#issued.add((JSON.parse(body) as { access_token: string }).access_token);
    }
  }

  /** From now on, all that were noted and these have expired. */
  expire(answers: readonly Seen[]): void {
    this.remember(answers);
    for (const token of this.#issued) this.#expired.add(token);
  }

  judge(path: string, { authorization = '' }: IncomingHttpHeaders): Page | undefined {
    if (path.startsWith('/auth/')) return undefined;
    return this.#expired.has(authorization.replace(/^Bearer /, '')) ? EXPIRED : undefined;
  }
}
