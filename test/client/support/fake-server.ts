import { randomBytes } from 'node:crypto';
import type { TokenResponse } from 'token-family-client';
import { AuthError, InvalidGrantError } from '../../../libs/auth/src/core/errors.js';
import { FakeJudge, settings } from './fake-judge.js';
import type { Trouble } from './troubles.js';

/** Of an access token, in seconds. */
export const LIFETIME = 300;

/** A request as it was sent, whether or not it arrived. */
export interface Seen {
  readonly route: string;
  /** seconds */
  readonly at: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown>;
}

/** The cookie of a browser: what a server keeps there, and reads. */
export interface CookieJar {
  cookie: { readonly token: string; readonly key: string } | null;
}

/**
 * The routes of a server, answered by its own judge, on a clock of ours. Access tokens are plain texts here: the client
 * never looks into one.
 */
export class FakeServer extends FakeJudge {
  readonly seen: Seen[] = [];
  /** of the next access tokens, in seconds */
  lifetime = LIFETIME;
  /** of its network, in seconds */
  latency = 0.02;
  /** what resource servers say of a token, besides that it has expired */
  refuses: (accessToken: string) => boolean = () => false;
  #troubles = new Map<string, Trouble[]>();
  #lasting = new Map<string, Trouble>();
  readonly #underWay = new Map<string, number>();
  readonly #accessTokens = new Map<string, { readonly sid: string; readonly expiresAt: number }>();

  /** Somebody logs in; with `jar`, by cookie. */
  async logIn(jar?: CookieJar, scope: string | null = null): Promise<TokenResponse> {
    const token = await this.begin(scope);
    if (jar) jar.cookie = { token: token.text, key: drawKey() };
    return this.#grant(token.text, token.familyId, scope, jar !== undefined);
  }

  /** The next requests to that route meet these troubles, one each. */
  next(route: string, ...troubles: Trouble[]): void {
    this.#troubles.set(route, [...(this.#troubles.get(route) ?? []), ...troubles]);
  }

  /** Every request to that route meets this trouble, from now on. */
  always(route: string, trouble: Trouble | null): void {
    if (trouble) this.#lasting.set(route, trouble);
    else this.#lasting.delete(route);
  }

  /** No more troubles. */
  calm(route: string): void {
    this.#troubles.delete(route);
    this.#lasting.delete(route);
  }

  requests(route: string): Seen[] {
    return this.seen.filter((request) => request.route === route);
  }

  /** how many requests to that route have no answer yet */
  underWay(route: string): number {
    return this.#underWay.get(route) ?? 0;
  }

  /** The `fetch` of one browser. */
  fetchOf(jar: CookieJar): typeof fetch {
    return async (input, init) => {
      const request = new Request(input, init);
      const { signal, headers } = request;
      const route = new URL(request.url).pathname.slice(1);
      const isAuth = route.startsWith('auth/');
      const body = isAuth ? ((await request.json()) as Record<string, unknown>) : {};
      signal.throwIfAborted();
      this.seen.push({ route, at: this.now() / 1000, headers, body });
      // As they are when it is sent, whatever becomes of them on its way.
      const sent = { cookie: jar.cookie };
      const trouble = this.#troubles.get(route)?.shift() ?? this.#lasting.get(route);
      const answer = async (): Promise<Response> => {
        await new Promise((resolve) => setTimeout(resolve, this.latency * 1000));
        return isAuth ? this.#answerAuth(route, body, headers, sent) : this.#answerApi(request);
      };
      const aborted = new Promise<never>((_, reject) =>
        signal.addEventListener('abort', () => reject(signal.reason as Error)),
      );
      this.#underWay.set(route, this.underWay(route) + 1);
      const response = await Promise.race([trouble ? trouble(answer) : answer(), aborted]).finally(() =>
        this.#underWay.set(route, this.underWay(route) - 1),
      );
      const cookie = response.headers.get('cookie-to-keep');
      if (cookie !== null) jar.cookie = JSON.parse(cookie) as CookieJar['cookie'];
      return response;
    };
  }

  /** What a thief, or a test, presents by hand. */
  present(token: string, key?: string): Promise<Response> {
    return this.#answerAuth(
      'auth/refresh',
      { refresh_token: token },
      new Headers(key === undefined ? {} : { 'idempotency-key': key }),
      { cookie: null },
    );
  }

  async #answerAuth(
    route: string,
    body: Record<string, unknown>,
    headers: Headers,
    browser: CookieJar,
  ): Promise<Response> {
    const jar = headers.has('x-token-carrier') ? browser : undefined;
    const token = jar ? jar.cookie?.token : (body['refresh_token'] as string | undefined);
    const key = jar ? jar.cookie?.key : headers.get('idempotency-key');
    try {
      if (route === 'auth/logout') return await this.#logOut(token, body['sid'], headers, jar);
      if (token === undefined) return NO_TOKEN();
      const parts = this.read(token);
      if ((body['sid'] ?? parts.familyId) !== parts.familyId) return MISMATCH();
      const clientId = (body['client_id'] as string | undefined) ?? 'default';
      const { token: next, grant } = await this.spend(parts, key ?? null, clientId);
      return Response.json(this.#grant(next.text, parts.familyId, grant.scope, jar !== undefined), {
        headers: jar ? keeping({ token: next.text, key: drawKey() }) : {},
      });
    } catch (error) {
      if (!(error instanceof AuthError)) throw error;
      const status = error instanceof InvalidGrantError ? 400 : 422;
      return Response.json({ error: status === 400 ? 'invalid_grant' : 'key_reused' }, { status });
    }
  }

  async #logOut(
    token: string | undefined,
    sid: unknown,
    headers: Headers,
    jar: CookieJar | undefined,
  ): Promise<Response> {
    const bearer = this.#accessTokens.get(headers.get('authorization')?.replace('Bearer ', '') ?? '');
    const familyId = token === undefined ? bearer?.sid : this.read(token).familyId;
    if (familyId === undefined) return NO_TOKEN();
    if ((sid ?? familyId) !== familyId) return MISMATCH();
    await this.revoke(familyId, 'logout');
    return new Response(null, { status: 204, headers: jar ? keeping(null) : {} });
  }

  #grant(token: string, sid: string, scope: string | null, isInCookie: boolean): TokenResponse {
    const accessToken = `access ${this.#accessTokens.size} of ${sid}`.replaceAll(' ', '-');
    this.#accessTokens.set(accessToken, { sid, expiresAt: this.now() + this.lifetime * 1000 });
    return {
      access_token: accessToken,
      token_type: 'Bearer',
      expires_in: this.lifetime,
      ...(!isInCookie && { refresh_token: token }),
      refresh_expires_in: settings.refreshToken.idleLifetime,
      ...(scope !== null && { scope }),
      sid,
    };
  }

  async #answerApi(request: Request): Promise<Response> {
    const token = request.headers.get('authorization')?.replace(/^Bearer /, '');
    if (token === undefined) return unauthorized('Bearer');
    const known = this.#accessTokens.get(token);
    if (!known || known.expiresAt <= this.now() || this.refuses(token))
      return unauthorized('Bearer error="invalid_token"');
    const { method, url } = request;
    return Response.json({ method, url, token, body: await request.text() });
  }
}

const drawKey = () => randomBytes(16).toString('hex');

/** As `Set-Cookie`: kept when the answer arrives, and only then. */
const keeping = (cookie: CookieJar['cookie']) => ({ 'cookie-to-keep': JSON.stringify(cookie) });

const NO_TOKEN = () =>
  Response.json({ error: 'unauthorized', error_description: 'No token was sent' }, { status: 401 });
const MISMATCH = () => Response.json({ error: 'session_mismatch' }, { status: 409 });

export function unauthorized(challenge: string): Response {
  return new Response('{}', { status: 401, headers: { 'www-authenticate': challenge } });
}
