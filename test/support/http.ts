export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** parsed JSON, or undefined for an empty body */
  readonly body: Record<string, unknown>;
}

interface Sent {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  /** sent as JSON */
  readonly json?: unknown;
  /** sent as a form */
  readonly form?: Record<string, string> | string;
  readonly signal?: AbortSignal;
}

export async function send(
  url: string,
  { method, headers = {}, json, form, signal }: Sent = {},
): Promise<Answer> {
  const body =
    json === undefined
      ? form === undefined
        ? undefined
        : new URLSearchParams(form).toString()
      : JSON.stringify(json);
  const type = json === undefined ? 'application/x-www-form-urlencoded' : 'application/json';
  const response = await fetch(url, {
    method: method ?? (body === undefined ? 'GET' : 'POST'),
    headers: { ...(body !== undefined && { 'content-type': type }), ...headers },
    ...(body !== undefined && { body }),
    redirect: 'manual',
    ...(signal && { signal }),
  });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    body: text === '' ? undefined! : JSON.parse(text),
  };
}

/** POST /auth/refresh with the token in the body. */
export function refresh(
  node: { url: string },
  token: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  return send(`${node.url}/auth/refresh`, { json: { refresh_token: token }, headers });
}

/** GET /me with an access token. */
export function me(node: { url: string }, accessToken: string): Promise<Answer> {
  return send(`${node.url}/me`, { headers: { authorization: `Bearer ${accessToken}` } });
}
