import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileStorage } from 'token-family-client/file';
import { toBody } from '../../libs/auth/src/http/token-response.js';
import { Proxy } from '../cluster/proxy.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { options, startNode, type TestNode } from '../support/node.js';
import { soon } from '../support/wire.js';
import type { Order } from './command-line-tool.program.js';
import { bundle, type Program, type Run } from './programs.js';

/** Seconds; an access token's life, and far more than the leeway. */
const A_WHILE = 3600;
const CROWD = 8;
/** Seconds, the longest there is: however slowly the runs of a crowd start, they are within it. */
const LEEWAY = 60;

let program: Program;
let database: TestDatabase;
let nodes: TestNode[];
let directory: string;
let path: string;

beforeAll(async () => {
  program = await bundle('command-line-tool.program.ts');
  database = await createDatabase();
  const common = {
    url: database.url,
    options: options({ refreshToken: { ...options().refreshToken, leeway: LEEWAY } }),
  };
  nodes = [
    await startNode({ ...common, adapter: 'express' }),
    await startNode({ ...common, adapter: 'fastify' }),
  ];
});
afterAll(async () => {
  for (const node of nodes) await node.close();
  await database.drop();
  await program.remove();
});
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'processes-'));
  path = join(directory, 'session');
  for (const { events } of nodes) events.length = 0;
  const tokens = await nodes[0]!.tokens.issue('alice');
  await start({ what: 'login', response: toBody(tokens, { refresh_token: tokens.refreshToken }) }).ended();
});
afterEach(() => rm(directory, { recursive: true }));

type Deed = Order extends infer One ? (One extends Order ? Omit<One, 'baseUrl' | 'path'> : never) : never;

let started = 0;
const start = (deed: Deed, baseUrl = nodes[started++ % nodes.length]!.url): Run =>
  program.start({ ...deed, baseUrl, path });

const count = (type: string): number =>
  nodes.flatMap(({ events }) => events).filter((event) => event.type === type).length;

async function refreshToken(): Promise<{ token: string; key: string }> {
  return JSON.parse((await fileStorage(path).get())!) as { token: string; key: string };
}

test('8 runs at the same time, again and again, are one rotation each time, and nobody is logged out', async () => {
  for (let wave = 1; wave <= 3; wave++) {
    const runs = Array.from({ length: CROWD }, () => start({ what: 'whoami' }));
    for (const said of await Promise.all(runs.map((run) => run.ended()))) {
      expect(said).toEqual([expect.objectContaining({ status: 200, sub: 'alice' })]);
    }
    expect(count('rotated')).toBe(wave);
    await database.passTime(A_WHILE);
  }
  expect(count('reused') + count('forged') + count('revoked')).toBe(0);
  expect(await readdir(directory)).toEqual(['session']);
}, 120_000);

describe('while a refresh is under way', () => {
  let proxy: Proxy;
  let refreshes: number;
  /** answers that are kept from who waits for them; null: they pass */
  let held: (() => void)[] | null;
  /** whether the connection breaks instead */
  let isLost: boolean;

  beforeEach(async () => {
    refreshes = 0;
    held = [];
    isLost = false;
    const port = Number(new URL(nodes[1]!.url).port);
    proxy = await Proxy.listen(
      () => port,
      (link) => (direction, chunk) => {
        if (direction === 'up' && chunk.includes('POST /auth/refresh')) refreshes++;
        if (direction === 'up' || !held) return [chunk];
        if (isLost) link.reset();
        else held.push(() => link.say(chunk));
        return [];
      },
    );
  });
  afterEach(() => proxy.close());

  test('a run that is killed has spent the token, and the next one gets the answer by its key, at any later time', async () => {
    const before = await refreshToken();
    const killed = start({ what: 'whoami' }, proxy.url);
    expect(await soon(() => count('rotated') === 1, 30_000)).toBe(true);
    await killed.kill();
    expect(await refreshToken()).toEqual(before);
    await database.passTime(A_WHILE);
    held = null;
    const next = await start({ what: 'whoami' }, proxy.url).ended();
    expect(next).toEqual([expect.objectContaining({ status: 200, sub: 'alice' })]);
    expect([refreshes, count('rotated'), count('retried'), count('reused')]).toEqual([2, 1, 1, 0]);
    expect((await refreshToken()).key).not.toBe(before.key);
  }, 60_000);

  test('others wait for it, and for nobody who is killed', async () => {
    const killed = start({ what: 'whoami' }, proxy.url);
    expect(await soon(() => refreshes === 1, 30_000)).toBe(true);
    const waiting = Array.from({ length: CROWD }, () => start({ what: 'whoami' }, proxy.url));
    expect(await soon(async () => (await readdir(directory)).length === 2 + CROWD, 30_000)).toBe(true);
    expect(refreshes).toBe(1);
    held = null;
    await killed.kill();
    for (const said of await Promise.all(waiting.map((run) => run.ended()))) {
      expect(said).toEqual([expect.objectContaining({ status: 200 })]);
    }
    expect([count('rotated'), count('reused')]).toEqual([1, 0]);
  }, 120_000);

  test('a run whose answer is lost is there until it gets it again', async () => {
    isLost = true;
    const run = start({ what: 'whoami' }, proxy.url);
    expect(await soon(() => refreshes === 1 && count('rotated') === 1, 30_000)).toBe(true);
    expect(await soon(() => refreshes >= 2, 30_000)).toBe(true);
    held = null;
    expect(await run.ended()).toEqual([expect.objectContaining({ status: 200, sub: 'alice' })]);
    expect([count('rotated'), count('reused')]).toEqual([1, 0]);
  }, 60_000);

  test('a logout in another run wins, and the answer brings nothing back', async () => {
    const refreshing = start({ what: 'whoami' }, proxy.url);
    expect(await soon(() => count('rotated') === 1 && held!.length > 0, 30_000)).toBe(true);
    await start({ what: 'logout' }).ended();
    expect(await fileStorage(path).get()).toBeNull();
    for (const pass of held!) pass();
    held = null;
    expect(await refreshing.ended()).toEqual([{ code: 'ERR_NO_SESSION' }]);
    expect(await readdir(directory)).toEqual([]);
    expect([count('revoked'), count('reused')]).toEqual([1, 0]);
  }, 60_000);
});

test('a logout in one run is one for all: those that go on, and those to come', async () => {
  const others = Array.from({ length: 3 }, () => start({ what: 'whoami', again: true }));
  for (const run of others) expect(await run.began()).toMatchObject({ status: 200 });
  await start({ what: 'logout' }).ended();
  expect(await readdir(directory)).toEqual([]);
  expect(await start({ what: 'whoami' }).ended()).toEqual([{ code: 'ERR_NO_SESSION' }]);
  for (const run of others) {
    run.send({});
    const [, second] = await run.ended();
    expect(second).toMatchObject({ status: 401 });
  }
  expect(await readdir(directory)).toEqual([]);
});
