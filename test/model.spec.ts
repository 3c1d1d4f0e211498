import * as fc from 'fast-check';
import { run, type Run } from './model/commands.js';
import { IDLE_LIFETIME, LEEWAY, LIFETIME } from './model/family.js';
import { play } from './model/play.js';
import { World } from './model/world.js';
import { createDatabase, type TestDatabase } from './support/database.js';
import { options, startNode, type TestNode } from './support/node.js';

/** MODEL_RUNS=5000 for a long search; MODEL_SEED to repeat a run that failed. */
const RUNS = Number(process.env['MODEL_RUNS'] ?? 400);
const SEED = process.env['MODEL_SEED'];

describe('Any history of honest clients, thieves, forgers and ends', () => {
  let database: TestDatabase;
  let nodes: TestNode[];
  const told = new Set<string>();
  let histories = 0;

  beforeAll(async () => {
    database = await createDatabase();
    const settings = {
      url: database.url,
      options: options({
        refreshToken: {
          ...options().refreshToken,
          leeway: LEEWAY,
          idleLifetime: IDLE_LIFETIME,
          lifetime: LIFETIME,
        },
      }),
    };
    nodes = [await startNode(settings), await startNode(settings)];
  });

  afterAll(async () => {
    for (const node of nodes) await node.close();
    await database.drop();
  });

  async function playOn(history: Run): Promise<void> {
    await database.query('truncate refresh_token');
    for (const { events } of nodes) events.length = 0;
    await play(new World(nodes, database), history);
    histories++;
    for (const event of nodes.flatMap(({ events }) => events)) {
      told.add(event.type === 'retried' && event.late ? 'retried late' : event.type);
    }
  }

  it(
    'keeps every promise: one living token, one successor, no false logout, every theft caught, dead stays dead',
    async () => {
      await fc.assert(fc.asyncProperty(run, playOn), {
        numRuns: RUNS,
        ...(SEED !== undefined && { seed: Number(SEED) }),
      });
      expect(histories).toBe(RUNS);
    },
    RUNS * 1_000,
  );

  it('meets in these histories every kind of answer there is', () => {
    const kinds = ['issued', 'rotated', 'repeated', 'retried', 'retried late', 'forged', 'reused', 'revoked'];
    expect([...told].toSorted()).toEqual(kinds.toSorted());
  });
});
