import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import type { GuardUnderTest } from './guards.js';

/** Few enough to stay in the processor's cache, as the requests of a server do. */
const BATCH = 64;

class Controller {}
const handler = () => {};

interface PlainRequest {
  readonly headers: { readonly authorization: string };
  user?: unknown;
}

/** A request that nobody has seen yet: its header is a text of its own, as the one a socket brings. */
function requestWith(token: string): PlainRequest {
  const authorization = Buffer.from(`Bearer ${token}`).toString('latin1');
  const others = { host: 'api.test', accept: '*/*', 'user-agent': 'bench', connection: 'keep-alive' };
  const headers = { ...others, authorization };
  return { method: 'GET', url: '/me', rawHeaders: Object.entries(headers).flat(), headers } as PlainRequest;
}

function contextOf(request: PlainRequest): ExecutionContextHost {
  return new ExecutionContextHost([request, {}], Controller, handler);
}

/** Microseconds of one activation of a guard, awaited as Nest awaits it: not at all, when the answer is there. */
export async function timeActivation({ guard, tokens }: GuardUnderTest, seconds: number): Promise<number> {
  let spent = 0;
  let count = 0;
  for (const end = performance.now() + seconds * 1000; performance.now() < end; count += BATCH) {
    const contexts = Array.from({ length: BATCH }, (_, n) =>
      contextOf(requestWith(tokens[n % tokens.length]!)),
    );
    const begin = performance.now();
    for (const context of contexts) {
      const answer = guard.canActivate(context);
      if (typeof answer !== 'boolean') await answer;
    }
    spent += performance.now() - begin;
  }
  return (spent * 1000) / count;
}

/** The properties a guard writes onto a request. */
export async function propertiesWritten({ guard, tokens }: GuardUnderTest): Promise<string[]> {
  const request = requestWith(tokens[0]!);
  const before = new Set(Object.keys(request));
  await guard.canActivate(contextOf(request));
  return Object.keys(request).filter((name) => !before.has(name));
}

/** Bytes of heap that a guard keeps for each token it has seen. */
export async function memoryPerToken(
  guard: GuardUnderTest['guard'],
  tokens: readonly string[],
): Promise<number> {
  const before = await heapUsed();
  for (const token of tokens) await guard.canActivate(contextOf(requestWith(token)));
  return ((await heapUsed()) - before) / tokens.length;
}

async function heapUsed(): Promise<number> {
  const { setFlagsFromString } = await import('node:v8');
  const { runInNewContext } = await import('node:vm');
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  for (let pass = 0; pass < 4; pass++) collect();
  return process.memoryUsage().heapUsed;
}
