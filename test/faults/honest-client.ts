import { randomUUID } from 'node:crypto';
import { refresh, send, type Answer } from '../support/http.js';

type Target = { readonly url: string };

/** Keeps the last token it received beside its key, and repeats what was not answered. */
export interface HonestClient {
  readonly answers: Answer[];
  refresh(node: Target): Promise<Answer>;
}

const COOKIE = '__Host-refresh_token';

export function bodyClient(refreshToken: string): HonestClient {
  const answers: Answer[] = [];
  let held = { token: refreshToken, key: randomUUID() };
  return {
    answers,
    async refresh(node) {
      const answer = await refresh(node, held.token, { 'idempotency-key': held.key });
      answers.push(answer);
      if (answer.status === 200) held = { token: answer.body['refresh_token'] as string, key: randomUUID() };
      return answer;
    },
  };
}

/** A browser: keeps whatever cookie it was given, and drops it when it is told to. */
export function cookieClient(refreshToken: string): HonestClient {
  const answers: Answer[] = [];
  let cookie = `${refreshToken}.${randomUUID()}`;
  return {
    answers,
    async refresh(node) {
      const headers = { 'x-token-carrier': 'cookie', cookie: `${COOKIE}=${cookie}` };
      const answer = await send(`${node.url}/auth/refresh`, { method: 'POST', headers });
      answers.push(answer);
      const set = answer.headers.get('set-cookie');
      if (set !== null) cookie = /^__Host-refresh_token=([^;]*)/.exec(set)![1]!;
      return answer;
    },
  };
}

/** Every client refreshes without pause, on the nodes in turn, until `work` has ended and all answers are in. */
export async function duringTraffic(
  clients: readonly HonestClient[],
  nodes: readonly Target[],
  work: () => Promise<void>,
): Promise<void> {
  const end = new AbortController();
  const loops = clients.map(async (client, index) => {
    for (let count = index; !end.signal.aborted; count++) await client.refresh(nodes[count % nodes.length]!);
  });
  try {
    await work();
  } finally {
    end.abort();
    await Promise.all(loops);
  }
}

/** What an answer says to a client. */
export function summary({ status, headers, body }: Answer) {
  return {
    status,
    error: body['error'],
    retryAfter: headers.get('retry-after'),
    cookie: headers.get('set-cookie'),
  };
}

/** The different answers among those that were no success. */
export function failuresAmong(answers: readonly Answer[]): unknown[] {
  const failures = answers
    .filter(({ status }) => status !== 200)
    .map((answer) => JSON.stringify(summary(answer)));
  return [...new Set(failures)].map((failure) => JSON.parse(failure) as unknown);
}

/** The one answer a client may get while the fault is ours. */
export const UNAVAILABLE = { status: 503, error: 'temporarily_unavailable', retryAfter: '1', cookie: null };
