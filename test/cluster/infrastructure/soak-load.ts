import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { GroupNode } from './node-group.js';
import { ask, bearer } from './requests.js';

/** Milliseconds of a bucket of `LoadLog`. */
export const BUCKET = 250;

/** Everything the clients of a long run have seen, in bounded memory but for one number for each bucket. */
export class LoadLog {
  readonly #start = performance.now();
  /** of refreshes and accepted access tokens, by quarter second */
  readonly done: number[] = [];
  readonly counts = { refreshes: 0, accepted: 0, unavailable: 0, logins: 0 };
  /** requests without an answer, by why */
  readonly lost = new Map<string, number>();
  /** answers that no honest client may get */
  readonly refusals: string[] = [];

  get bucket(): number {
    return Math.floor((performance.now() - this.#start) / BUCKET);
  }

  add(kind: keyof LoadLog['counts']): void {
    this.counts[kind]++;
    if (kind === 'refreshes' || kind === 'accepted')
      this.done[this.bucket] = (this.done[this.bucket] ?? 0) + 1;
  }

  addLost(why: string): void {
    this.lost.set(why, (this.lost.get(why) ?? 0) + 1);
  }

  refused(what: string): void {
    if (this.refusals.length < 20) this.refusals.push(what);
  }

  /** Operations a second over whole buckets. */
  rate(from: number, to: number): number {
    const sum = Array.from({ length: to - from }, (_, index) => this.done[from + index] ?? 0).reduce(
      (total, each) => total + each,
      0,
    );
    return (sum * 1000) / ((to - from) * BUCKET);
  }
}

/** Between two rounds of one client, milliseconds. */
const PAUSE = 20;
const CHECKS = 4;
/** A client logs out after so many refreshes, and in again: revocations are part of the load. */
const SESSION = 200;

/** Refreshes on the nodes in turn, repeats what was not answered, and shows what it got at each of them. */
export async function soakClient(
  nodes: readonly GroupNode[],
  index: number,
  log: LoadLog,
  signal: AbortSignal,
): Promise<void> {
  let turn = index;
  const next = (): string => nodes[turn++ % nodes.length]!.url;
  while (!signal.aborted) {
    let token = await logIn(next, index, log, signal);
    for (let count = 0; token !== undefined && count < SESSION && !signal.aborted; count++)
      token = await round(next, token, log, signal);
    if (token !== undefined)
      await ask(`${next()}/auth/logout`, { method: 'POST', json: { refresh_token: token } });
  }
}

async function logIn(
  next: () => string,
  index: number,
  log: LoadLog,
  signal: AbortSignal,
): Promise<string | undefined> {
  while (!signal.aborted) {
    const answer = await ask(`${next()}/test/login`, {
      method: 'POST',
      json: { subject: `client ${index}` },
    });
    if (answer.status === 200) {
      log.add('logins');
      return String(answer.body['refresh_token']);
    }
    log.add('unavailable');
    await sleep(PAUSE);
  }
}

/** @returns the successor, or undefined when there will be none */
async function round(
  next: () => string,
  token: string,
  log: LoadLog,
  signal: AbortSignal,
): Promise<string | undefined> {
  const headers = { 'idempotency-key': randomUUID() };
  for (;;) {
    const answer = await ask(`${next()}/auth/refresh`, {
      method: 'POST',
      json: { refresh_token: token },
      headers,
    });
    if (answer.status === 200) {
      log.add('refreshes');
      await show(next, String(answer.body['access_token']), log);
      await sleep(PAUSE);
      return String(answer.body['refresh_token']);
    }
    if (answer.lost !== undefined) log.addLost(`refresh: ${answer.lost}`);
    else if (answer.status === 503) log.add('unavailable');
    else {
      log.refused(`refresh: ${answer.status} ${String(answer.body['error'])}`);
      return undefined;
    }
    if (signal.aborted) return undefined;
    await sleep(PAUSE);
  }
}

async function show(next: () => string, accessToken: string, log: LoadLog): Promise<void> {
  for (let count = 0; count < CHECKS; count++) {
    const answer = await ask(`${next()}/me`, bearer(accessToken));
    if (answer.status === 200) log.add('accepted');
    else if (answer.lost !== undefined) log.addLost(`access token: ${answer.lost}`);
    else log.refused(`access token: ${answer.status}`);
  }
}
