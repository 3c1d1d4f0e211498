import { send, type Answer as HttpAnswer } from '../support/http.js';
import { nameOf, type Outcome, type TokenName } from './history.js';

export type Carrier = 'body' | 'cookie';

/** What a client keeps: of a cookie, its whole value, with the key in it. */
export interface Held {
  readonly text: string;
  /** sent beside the token; a cookie brings its own */
  readonly key?: string;
}

export interface Answer {
  readonly outcome: Outcome;
  readonly reason: string;
  readonly sid?: string;
  /** the refresh token handed out, or the value of the cookie */
  readonly text?: string;
  readonly accessToken?: string;
  readonly clearedCookie?: boolean;
}

/** One node, as a client sees it. Never throws: what was not answered is `unknown`. */
export interface Door {
  readonly name: string;
  /** a balancer is before it that sends a request again, on its own, where an answer was lost */
  readonly sendsAgain?: boolean;
  login(subject: string, carrier: Carrier): Promise<Answer>;
  refresh(held: Held, carrier: Carrier): Promise<Answer>;
  /** by the client itself, with its refresh token */
  logout(held: Held, carrier: Carrier): Promise<Answer>;
  /** by an administrator; `refused` when there was nothing left to end */
  revoke(sid: string): Promise<Answer>;
  /** every family of a subject; `refused` when there was nothing left to end */
  revokeAll(subject: string): Promise<Answer>;
  access(accessToken: string): Promise<Answer>;
  nameOf(text: string): TokenName;
}

const COOKIE = '__Host-refresh_token';

/** What is behind `url`: a node, or several behind a balancer. */
export class HttpDoor implements Door {
  constructor(
    private readonly node: Pick<Door, 'name' | 'sendsAgain'> & { readonly url: string },
    /** milliseconds after which a client gives up waiting */
    private readonly patience = 1_500,
  ) {}

  get name(): string {
    return this.node.name;
  }

  get sendsAgain(): boolean {
    return this.node.sendsAgain ?? false;
  }

  nameOf(text: string): TokenName {
    return nameOf(text.split('.', 1)[0]!);
  }

  login(subject: string, carrier: Carrier): Promise<Answer> {
    const headers = { 'x-token-carrier': carrier };
    return this.#ask('/test/login', { json: { subject }, headers }, granted);
  }

  refresh(held: Held, carrier: Carrier): Promise<Answer> {
    return this.#ask('/auth/refresh', presenting(held, carrier), granted);
  }

  logout(held: Held, carrier: Carrier): Promise<Answer> {
    return this.#ask('/auth/logout', presenting(held, carrier), () => ({ outcome: 'ok' }));
  }

  revoke(sid: string): Promise<Answer> {
    return this.#ask('/test/revoke', { json: { sid } }, ({ body }) => ({
      outcome: body['ended'] === true ? 'ok' : 'refused',
    }));
  }

  revokeAll(subject: string): Promise<Answer> {
    return this.#ask('/test/revoke', { json: { subject } }, ({ body }) => ({
      outcome: Number(body['ended']) > 0 ? 'ok' : 'refused',
    }));
  }

  access(accessToken: string): Promise<Answer> {
    return this.#ask('/me', { headers: { authorization: `Bearer ${accessToken}` } }, () => ({
      outcome: 'ok',
    }));
  }

  async #ask(
    path: string,
    request: Parameters<typeof send>[1],
    read: (answer: HttpAnswer) => Omit<Answer, 'reason'>,
  ): Promise<Answer> {
    try {
      const signal = AbortSignal.timeout(this.patience);
      const answer = await send(`${this.node.url}${path}`, { ...request, signal });
      const { status, headers, body } = answer;
      const clearedCookie = /Max-Age=0/i.test(headers.get('set-cookie') ?? '');
      if (status < 300) return { reason: String(status), ...read(answer) };
      const error = String(body?.['error']);
      // Definite is only what the protocol says so about; a 500 or a 502 says nothing.
      const outcome = DEFINITE[error] ?? 'unknown';
      return { outcome, reason: `${status} ${error}`, ...(clearedCookie && { clearedCookie }) };
    } catch (error) {
      const { name, cause } = error as Error & { cause?: { code?: string } };
      return { outcome: 'unknown', reason: cause?.code ?? name };
    }
  }
}

const DEFINITE: Readonly<Record<string, Outcome>> = {
  invalid_grant: 'refused',
  invalid_token: 'refused',
  invalid_request: 'rejected',
};

function presenting({ text, key }: Held, carrier: Carrier): Parameters<typeof send>[1] {
  if (carrier === 'cookie') {
    return { method: 'POST', headers: { 'x-token-carrier': 'cookie', cookie: `${COOKIE}=${text}` } };
  }
  return {
    json: { refresh_token: text },
    ...(key !== undefined && { headers: { 'idempotency-key': key } }),
  };
}

function granted({ headers, body }: HttpAnswer): Omit<Answer, 'reason'> {
  const cookie = /^__Host-refresh_token=([^;]+)/.exec(headers.get('set-cookie') ?? '')?.[1];
  return {
    outcome: 'ok',
    sid: String(body['sid']),
    text: cookie ?? String(body['refresh_token']),
    accessToken: String(body['access_token']),
  };
}
