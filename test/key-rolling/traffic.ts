import { randomUUID } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { send, type Answer } from '../support/http.js';

/** What a run has seen: everything that must not be, and when each key was first published and first signed. */
export interface History {
  /** answers other than 200 to a token that was good */
  readonly refusals: string[];
  readonly publishedAt: Map<string, number>;
  readonly signedAt: Map<string, number>;
  verified: number;
}

interface Place {
  readonly name: string;
  readonly url: string;
}

/** Those that are up at this moment. */
interface Scene {
  readonly nodes: () => readonly Place[];
  readonly resource: Place;
}

/** Old tokens are shown as well: a key has to verify for as long as its tokens live. */
const KEPT = 40;

/**
 * A client that is always refreshing, and shows what it got at every node and at the service outside. A refresh that
 * is answered 503 is repeated; an access token is never to be answered so.
 */
export async function useTokens(scene: Scene, history: History, signal: AbortSignal): Promise<void> {
  const login = await onAnyNode(scene, (node) =>
    send(`${node.url}/auth/login`, { json: { username: 'alice', password: 'wonderland' } }),
  );
  let held = { token: String(login.body['refresh_token']), key: randomUUID() };
  const kept: string[] = [];
  while (!signal.aborted) {
    const { token, key } = held;
    const answer = await onAnyNode(scene, (node) =>
      send(`${node.url}/auth/refresh`, {
        json: { refresh_token: token },
        headers: { 'idempotency-key': key },
      }),
    );
    if (answer.status === 503) continue;
    if (answer.status !== 200) {
      history.refusals.push(`refresh: ${answer.status} ${String(answer.body['error'])}`);
      return;
    }
    const { refresh_token: next, access_token: accessToken } = answer.body as Record<string, string>;
    if (next !== token) held = { token: next!, key: randomUUID() };
    note(history.signedAt, decodeProtectedHeader(accessToken!).kid!);
    kept.push(accessToken!);
    if (kept.length > KEPT) kept.shift();
    await show(scene, history, accessToken!);
    await show(scene, history, kept[0]!);
  }
}

/** Reads the published keys over and over, and notes when each of them was first there. */
export async function watchKeys(scene: Scene, history: History, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const set = await onAnyNode(scene, (node) => send(`${node.url}/.well-known/jwks.json`));
    for (const { kid } of set.body['keys'] as { kid: string }[]) note(history.publishedAt, kid);
    // Otherwise it would take the processor from those it watches.
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function show({ nodes, resource }: Scene, history: History, token: string): Promise<void> {
  const places = [...nodes().map((node) => ({ ...node, path: '/me' })), { ...resource, path: '/reports' }];
  for (const { name, url, path } of places) {
    const answer = await send(`${url}${path}`, { headers: { authorization: `Bearer ${token}` } }).catch(
      () => null,
    );
    if (!answer || decodeJwt(token).exp! * 1000 < Date.now()) continue;
    history.verified++;
    if (answer.status !== 200) history.refusals.push(`${name}: ${answer.status}`);
  }
}

/** What was not answered is asked again, elsewhere: a node that was killed has said nothing. */
async function onAnyNode({ nodes }: Scene, ask: (node: Place) => Promise<Answer>): Promise<Answer> {
  for (let attempt = 0; ; attempt++) {
    const up = nodes();
    const answer = await ask(up[attempt % up.length]!).catch(() => null);
    if (answer) return answer;
    if (attempt > 100) throw new Error('No node answers');
  }
}

function note(times: Map<string, number>, kid: string): void {
  if (!times.has(kid)) times.set(kid, performance.now());
}
