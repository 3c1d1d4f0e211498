import { byTitle } from './forge.js';
import type { Target } from './target.js';
import { ask, bearer, type RawRequest, type Reply } from './wire.js';

/** Everything a client can see of a refusal: each class of refusals has one, to the byte. */
export interface Verdict {
  readonly status: number;
  readonly challenge: string | undefined;
  readonly body: string;
  readonly cache: string | undefined;
  readonly type: string | undefined;
}

const REALM = 'Bearer realm="api"';

function refusal(status: number, body: object, challenge?: string): Verdict {
  return {
    status,
    challenge,
    body: JSON.stringify(body),
    cache: 'no-store',
    type: 'application/json; charset=utf-8',
  };
}

/** A challenge tells what the body tells, RFC 6750 section 3. */
function challenged(status: number, error: string, description: string, more: Record<string, unknown> = {}) {
  const body = { error, error_description: description, ...more };
  const told = Object.entries(body).map(([name, value]) => `${name}="${value}"`);
  return refusal(status, body, [REALM, ...told].join(', '));
}

export const NO_CREDENTIALS = refusal(
  401,
  { error: 'unauthorized', error_description: 'No token was sent' },
  REALM,
);
export const INVALID = challenged(401, 'invalid_token', 'The access token is invalid');
export const EXPIRED = challenged(401, 'invalid_token', 'The access token expired');
export const MALFORMED = challenged(400, 'invalid_request', 'The Authorization header is malformed');
export const TWICE = challenged(400, 'invalid_request', 'The access token was sent more than once');
export const NO_SCOPE = challenged(
  403,
  'insufficient_scope',
  'The access token does not grant the scope this demands',
  { scope: 'admin' },
);
export const TOO_OLD = challenged(
  401,
  'insufficient_user_authentication',
  'A more recent authentication is required',
  { max_age: 300 },
);

export function verdictOf({ status, headers, body }: Reply): Verdict {
  return {
    status,
    challenge: headers.get('www-authenticate'),
    body,
    cache: headers.get('cache-control'),
    type: headers.get('content-type'),
  };
}

/** A good token of the same user's other session still opens the door. */
export async function expectControl({ url, control, visits }: Target): Promise<void> {
  const before = visits?.count;
  expect((await ask(url, { headers: [bearer(control)] })).status).toBe(200);
  if (visits) expect(visits.count).toBe(before! + 1);
}

/**
 * Sends each request twice and expects the one verdict for all of them, to the byte; no handler runs, and the control
 * passes before and after.
 */
export async function expectRefusals(
  target: Target,
  requests: Readonly<Record<string, RawRequest>>,
  verdict: Verdict,
): Promise<void> {
  await expectControl(target);
  const before = target.visits?.count;
  for (const round of ['', ' once more']) {
    const answers = await Promise.all(
      Object.entries(requests).map(
        async ([title, request]) => [title + round, verdictOf(await ask(target.url, request))] as const,
      ),
    );
    expect(byTitle(answers)).toEqual(byTitle(answers.map(([title]) => [title, verdict])));
  }
  expect(target.visits?.count).toBe(before);
  await expectControl(target);
}

/** As bearer tokens to `/me`. */
export function expectRefused(
  target: Target,
  tokens: Readonly<Record<string, string>>,
  verdict = INVALID,
): Promise<void> {
  return expectRefusals(target, requestsWith(tokens), verdict);
}

function requestsWith(tokens: Readonly<Record<string, string>>): Record<string, RawRequest> {
  return byTitle(Object.entries(tokens).map(([title, token]) => [title, { headers: [bearer(token)] }]));
}

/** Every one of them passes, and twice: the second time from memory. */
export async function expectAccepted(
  target: Target,
  tokens: Readonly<Record<string, string>>,
): Promise<Record<string, Record<string, unknown>>> {
  const users: Record<string, Record<string, unknown>> = {};
  for (const [title, request] of Object.entries(requestsWith(tokens))) {
    const [first, second] = [await ask(target.url, request), await ask(target.url, request)];
    expect([title, first.status, second.status]).toEqual([title, 200, 200]);
    expect(second.body).toBe(first.body);
    users[title] = (JSON.parse(first.body) as { user: Record<string, unknown> }).user;
  }
  return users;
}
