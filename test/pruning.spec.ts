import { TokenPruning, UnavailableError } from 'nestjs-token-family';
import type { DeletedPage } from '../libs/auth/src/core/ports.js';
import { createDatabase, type TestDatabase } from './support/database.js';
import { KeptLog } from './support/kept-log.js';
import { options, startNode, type TestNode } from './support/node.js';
import { lockFamily, seedFamilies } from './support/seed.js';

const OVER = { issuedAt: `now() - interval '40 days'` };

let database: TestDatabase;
beforeEach(async () => {
  database = await createDatabase();
});
afterEach(() => database.drop());

async function left(): Promise<number> {
  const [row] = await database.query<{ count: number }>('select count(*)::int from refresh_token');
  return row!.count;
}

async function until(isSo: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!(await isSo())) {
    expect(performance.now()).toBeLessThan(deadline);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('on a node', () => {
  let node: TestNode;
  let log: KeptLog;
  async function start(prune: { enabled?: boolean; every?: number }): Promise<TokenPruning> {
    log = new KeptLog();
    node = await startNode({ url: database.url, options: options({ prune }), logger: log });
    return node.get(TokenPruning);
  }
  afterEach(() => node.close());

  test('what is over goes every prune.every, and what lives stays', async () => {
    await start({ every: 1 });
    const { sid } = await node.tokens.issue('alice');
    for (let times = 0; times < 2; times++) {
      await seedFamilies(database, 1_500, OVER);
      await until(async () => (await left()) === 1);
    }
    expect(await node.tokens.isAlive(sid)).toBe(true);
  });

  test('nothing goes by itself with prune.enabled: false, and all of it by a call', async () => {
    const pruning = await start({ enabled: false, every: 1 });
    await seedFamilies(database, 2_500, OVER);
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    expect(await left()).toBe(2_500);
    expect(await pruning.run()).toBe(2_500);
    expect(await pruning.run()).toBe(0);
  });

  test('calls that come together share a run', async () => {
    const pruning = await start({ enabled: false });
    await seedFamilies(database, 2_500, OVER);
    expect(await Promise.all([pruning.run(), pruning.run()])).toEqual([2_500, 2_500]);
  });

  test('a database that fails is told once, tried again, and told when it is back', async () => {
    const pruning = await start({ every: 1 });
    await database.query('alter table refresh_token rename to elsewhere');
    const told = () => log.lines.filter((line) => line.includes('What is over'));
    await until(() => told().length > 0);
    await expect(pruning.run()).rejects.toThrow(UnavailableError);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(told()).toEqual([expect.stringMatching(/^error .*cannot be deleted/)]);
    await database.query('alter table elsewhere rename to refresh_token');
    await seedFamilies(database, 10, OVER);
    await until(async () => (await left()) === 0);
    await until(() => told().length === 2);
    expect(told()[1]).toMatch(/^log .*deleted again/);
  });

  test('a refresh of another session goes on while a run is under way', async () => {
    const pruning = await start({ enabled: false });
    await seedFamilies(database, 5_000, OVER);
    const release = await lockFamily(await database.connect(), 100);
    let { refreshToken } = await node.tokens.issue('alice');
    const run = pruning.run();
    ({ refreshToken } = await node.tokens.rotate(refreshToken));
    expect(await run).toBe(4_999);
    await release();
    expect(await pruning.run()).toBe(1);
    await node.tokens.rotate(refreshToken);
  });
});

describe('three nodes at once', () => {
  test('delete each family once', async () => {
    await seedFamilies(database, 4_500, OVER);
    const nodes = await Promise.all(
      [1, 2, 3].map(() => startNode({ url: database.url, options: options({ prune: { enabled: false } }) })),
    );
    const counts = await Promise.all(nodes.map((node) => node.get(TokenPruning).run()));
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(4_500);
    expect(await left()).toBe(0);
    for (const node of nodes) await node.close();
  });
});

describe('a shutdown', () => {
  const DAY = 86_400;
  const settings = {
    prune: { enabled: true, every: 600, keep: DAY },
    audit: { enabled: false, keep: 90 * DAY },
  };

  test('waits for the step under way, and no other one begins', async () => {
    const steps: (string | null)[] = [];
    let finish!: (page: DeletedPage) => void;
    const deleteOver = (_keep: number, after: string | null): Promise<DeletedPage> => {
      steps.push(after);
      return new Promise((resolve) => (finish = resolve));
    };
    const pruning = new TokenPruning({ deleteOver }, null, settings);
    const run = pruning.run();
    let isDown = false;
    const down = pruning.onModuleDestroy().then(() => (isDown = true));
    await new Promise((resolve) => setImmediate(resolve));
    expect(isDown).toBe(false);
    finish({ deleted: 1_000, next: 'more' });
    expect(await run).toBe(1_000);
    await down;
    expect(steps).toEqual([null]);
  });

  test('entries of the audit trail go by their own keep, in the same run', async () => {
    const asked: number[] = [];
    const store = (deleted: number) => ({
      deleteOver: async (keep: number): Promise<DeletedPage> => {
        asked.push(keep);
        return { deleted, next: null };
      },
    });
    expect(await new TokenPruning(store(3), store(5), settings).run()).toBe(3);
    expect(asked).toEqual([DAY * 1000, 90 * DAY * 1000]);
  });

  test('of families that cannot be deleted does not keep entries of the audit trail', async () => {
    const failing = { deleteOver: () => Promise.reject(new Error('a foreign key')) };
    let asked = 0;
    const audit = {
      deleteOver: async (): Promise<DeletedPage> => ({ deleted: ++asked, next: null }),
    };
    await expect(new TokenPruning(failing, audit, settings).run()).rejects.toThrow('a foreign key');
    expect(asked).toBe(1);
  });
});
