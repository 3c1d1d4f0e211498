import * as fc from 'fast-check';
import { Random } from '../cluster/random.js';
import { run, type Run } from './model/commands.js';
import { Household } from './model/household.js';
import { steal } from './model/thief.js';

/** MODEL_RUNS=5000 for a long search; MODEL_SEED to repeat a run that failed. */
const RUNS = Number(process.env['MODEL_RUNS'] ?? 150);
const SEED = process.env['MODEL_SEED'];

describe('Any history of tabs, networks, clocks, logins and thieves', () => {
  /** what the server told in all of them */
  const told = new Set<string>();
  let thefts = 0;

  async function play({ random, carrier, tabs, commands, thief }: Run): Promise<void> {
    const numbers = new Random(random);
    const draw = jest.spyOn(Math, 'random').mockImplementation(() => numbers.next());
    const household = new Household(carrier);
    try {
      await household.begin(tabs);
      for (const command of commands) await household.carryOut(command);
      await household.recover();
      if (thief) await steal(household, thief);
      for (const { type } of household.browser.server.events) told.add(type);
      if (household.browser.server.count('reused') > 0) thefts++;
    } finally {
      await household.browser.close();
      draw.mockRestore();
    }
  }

  it(
    'keeps every promise: no false logout, nobody hangs, the tabs agree, every theft is caught',
    async () => {
      await fc.assert(fc.asyncProperty(run, play), {
        numRuns: RUNS,
        ...(SEED !== undefined && { seed: Number(SEED) }),
      });
    },
    RUNS * 1_000,
  );

  it('meets in these histories every kind of answer there is', () => {
    expect([...told].toSorted()).toEqual(['repeated', 'retried', 'reused', 'revoked', 'rotated']);
    expect(thefts).toBeGreaterThan(0);
  });
});
