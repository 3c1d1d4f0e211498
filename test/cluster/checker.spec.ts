import { setTimeout as sleep } from 'node:timers/promises';
import { check, report, type Limits, type Violation } from './checker.js';
import type { Scene } from './clients.js';
import { History, type FamilyRow, type Operation } from './history.js';
import { play } from './play.js';
import { Random } from './random.js';
import { StubBalancer } from './stub-balancer.js';
import { StubSystem, type Bug } from './stub-system.js';

const LIMITS: Limits = { leeway: 100, accessEndsWithin: 50, clocksAreRight: true };

const token = (generation: number, step = `step ${generation}`) => ({ generation, step });

/** One operation of a history made by hand: a refresh of the first token by an honest client, but for `changes`. */
function op(changes: Partial<Operation>): Operation {
  const { start = 0 } = changes;
  const made: Operation = {
    kind: 'refresh',
    party: 'honest',
    client: 'alice',
    node: 'node',
    family: 'F',
    start,
    end: start + 1,
    outcome: 'ok',
    reason: '',
    ...changes,
  };
  const isRefresh = made.kind === 'refresh';
  return { ...made, ...(isRefresh && !made.presented && { presented: token(0) }) };
}

function row(generation: number, revoked = false): FamilyRow {
  return { family: 'F', generation, step: `step ${generation}`, revoked };
}

function judge(operations: Operation[], rows: FamilyRow[], thefts: History['thefts'] = []): string[] {
  const history = new History();
  history.operations.push(op({ kind: 'login', received: token(0), start: -10 }), ...operations);
  history.thefts.push(...thefts);
  return check(history, rows, LIMITS).map(({ rule }) => rule);
}

const rotates = (generation: number, start: number, more: Partial<Operation> = {}) =>
  op({ start, presented: token(generation), received: token(generation + 1), ...more });
const refused = { outcome: 'refused' } as const;
const lost = { outcome: 'unknown' } as const;
const again = { sentAgain: true } as const;
const revoke = (changes: Partial<Operation> = {}) => op({ kind: 'revoke', party: 'admin', ...changes });
const stolen = { family: 'F', token: token(0), at: 0 };

describe('The checker, on histories made by hand', () => {
  const fine: [string, Operation[], FamilyRow[], History['thefts']?][] = [
    ['a chain of rotations', [rotates(0, 0), rotates(1, 10), rotates(2, 20)], [row(3)]],
    ['a repeat', [rotates(0, 0), op({ start: 5, presented: token(1), received: token(1) })], [row(1)]],
    ['a retry of what was lost', [op({ ...lost }), rotates(0, 500)], [row(1)]],
    ['what was lost and came true', [op({ ...lost })], [row(1)]],
    ['what was lost and did not', [op({ ...lost })], [row(0)]],
    [
      'what comes true after everybody has gone',
      [rotates(0, 0), op({ start: 9, presented: token(1), ...lost })],
      [row(2)],
    ],
    ['two at once', [rotates(0, 0, { end: 9 }), rotates(0, 1, { end: 8 })], [row(1)]],
    ['a logout, and what follows', [op({ kind: 'revoke' }), op({ start: 5, ...refused })], [row(0, true)]],
    [
      'a refresh beside a revocation',
      [op({ kind: 'revoke', end: 9 }), rotates(0, 1), op({ start: 20, ...refused })],
      [row(1, true)],
    ],
    [
      'a revocation that was lost',
      [op({ kind: 'revoke', ...lost }), op({ start: 5, ...refused })],
      [row(0, true)],
    ],
    [
      'access while the news spread',
      [op({ kind: 'revoke' }), op({ kind: 'access', start: 40 })],
      [row(0, true)],
    ],
    [
      'a theft, caught',
      [
        rotates(0, 0),
        op({ start: 200, party: 'thief', ...refused }),
        op({ start: 300, presented: token(1), ...refused }),
      ],
      [row(1, true)],
      [{ ...stolen, withKey: false }],
    ],
    [
      'a thief who rides within the leeway',
      [rotates(0, 0), rotates(0, 50, { party: 'thief' })],
      [row(1)],
      [{ ...stolen, withKey: false }],
    ],
    [
      'one quiet retry with a copied key',
      [rotates(0, 0, { key: 'K' }), rotates(0, 500, { party: 'thief', key: 'K' })],
      [row(1)],
      [{ ...stolen, withKey: true }],
    ],
    ['an end that was there before', [revoke(), revoke({ start: 5, ...refused })], [row(0, true)]],
    ['an end by what was sent again, told of the second', [revoke({ ...refused, ...again })], [row(0, true)]],
    [
      'a rotation by what was sent again, and an end before the second came',
      [op({ end: 9, ...refused, ...again }), revoke({ start: 3 })],
      [row(1, true)],
    ],
    [
      'what was sent again after the leeway, without a key, and refused',
      [op({ end: 100, ...refused, ...again }), op({ kind: 'access', start: 110, ...refused })],
      [row(1, true)],
    ],
    [
      'what was sent again after the leeway, without a key, and not answered',
      [op({ end: 100, ...lost, ...again }), op({ kind: 'access', start: 110, ...refused })],
      [row(1, true)],
    ],
    [
      'a repeat without a key that may have come after the leeway',
      [op(lost), op({ start: 40, end: 100, ...refused })],
      [row(1, true)],
    ],
    ['a rotation by the second alone', [rotates(0, 0, again)], [row(1)]],
  ];
  it.each(fine)('finds nothing wrong with %s', (...[, operations, rows, thefts]) => {
    expect(judge(operations, rows, thefts)).toEqual([]);
  });

  const wrong: [string, string, Operation[], FamilyRow[], History['thefts']?][] = [
    ['no row', 'one row', [], []],
    ['two rows', 'one row', [], [row(0), row(0)]],
    ['a row whose token nobody was given', 'one row', [rotates(0, 0)], [{ ...row(1), step: 'another' }]],
    ['a gap', 'linearizable', [rotates(0, 0)], [row(2)]],
    ['a rotation that is gone', 'linearizable', [rotates(0, 0), rotates(1, 5)], [row(1)]],
    ['an end that is gone', 'linearizable', [op({ kind: 'revoke' })], [row(0)]],
    ['an old token accepted', 'linearizable', [rotates(0, 0), rotates(1, 10), rotates(0, 20)], [row(2)]],
    [
      'siblings',
      'one successor',
      [rotates(0, 0), rotates(0, 1, { received: token(1, 'sibling') })],
      [row(1)],
    ],
    ['an honest client refused', 'no false logout', [op({ ...refused })], [row(0)]],
    [
      'an honest client told its request is wrong',
      'no false logout',
      [op({ outcome: 'rejected' })],
      [row(0)],
    ],
    ['an honest client without access', 'no false logout', [op({ kind: 'access', ...refused })], [row(0)]],
    ['a refresh after the end', 'dead stays dead', [op({ kind: 'revoke' }), rotates(0, 5)], [row(1, true)]],
    [
      'a refresh after a refusal',
      'dead stays dead',
      [op({ kind: 'revoke', ...lost }), op({ start: 5, ...refused }), rotates(0, 9)],
      [row(1, true)],
    ],
    [
      'access long after the end',
      'access ends',
      [op({ kind: 'revoke' }), op({ kind: 'access', start: 60 })],
      [row(0, true)],
    ],
    ['nothing to end, and an end all the same', 'linearizable', [revoke(refused)], [row(0, true)]],
    [
      'a rotation that nobody was told of',
      'linearizable',
      [op({ end: 9, ...refused }), revoke({ start: 3 })],
      [row(1, true)],
    ],
    [
      'nothing to end, and no end, of what was sent again',
      'linearizable',
      [revoke({ ...refused, ...again })],
      [row(0)],
    ],
    ['two rotations by what was sent again', 'linearizable', [rotates(0, 0, again)], [row(2)]],
    [
      'an end by what was sent again, after its answer',
      'linearizable',
      [revoke({ ...refused, ...again }), rotates(0, 5)],
      [row(1, true)],
    ],
    [
      'a rotation by what was sent again, after its answer',
      'linearizable',
      [op({ received: token(0), ...again })],
      [row(1)],
    ],
    [
      'an honest client refused by what was sent again within the leeway',
      'no false logout',
      [op({ end: 99, ...refused, ...again })],
      [row(1, true)],
    ],
    [
      'an honest client with a key refused by what was sent again',
      'no false logout',
      [op({ end: 500, key: 'K', ...refused, ...again })],
      [row(1, true)],
    ],
    [
      'an honest client refused within the leeway of what was not answered',
      'no false logout',
      [op(lost), op({ start: 40, end: 99, ...refused })],
      [row(1, true)],
    ],
    [
      'an honest client with a key refused long after what was not answered',
      'no false logout',
      [op({ key: 'K', ...lost }), op({ start: 400, key: 'K', ...refused })],
      [row(1, true)],
    ],
    [
      'an honest client refused that waited long, and has not repeated anything',
      'no false logout',
      [op({ end: 500, ...refused })],
      [row(1, true)],
    ],
    [
      'an honest client refused after many answers',
      'no false logout',
      [rotates(0, 0, again), op({ start: 150, presented: token(1), ...refused, ...again })],
      [row(1, true)],
    ],
    [
      'an honest client refused before anything was sent again late',
      'no false logout',
      [op({ ...refused, ...again }), op({ start: 5, end: 500, ...refused, ...again })],
      [row(1, true)],
    ],
    ['a cookie taken away by 503', 'the cookie stays', [op({ ...lost, clearedCookie: true })], [row(0)]],
    [
      'a thief with a key of its own, late',
      'theft is caught',
      [rotates(0, 0, { key: 'K' }), rotates(0, 500, { party: 'thief', key: 'another' })],
      [row(1)],
      [{ ...stolen, withKey: false }],
    ],
    [
      'two quiet retries for one copied key',
      'theft is caught',
      [
        rotates(0, 0, { key: 'K' }),
        rotates(0, 500, { party: 'thief', key: 'K' }),
        rotates(1, 600, { key: 'L' }),
        rotates(1, 900, { party: 'thief', key: 'L' }),
      ],
      [row(2)],
      [{ ...stolen, withKey: true }],
    ],
  ];
  it.each(wrong)('finds %s, by the rule "%s"', (...[, rule, operations, rows, thefts]) => {
    expect(judge(operations, rows, thefts)).toContain(rule);
  });
});

type Front = 'its nodes' | 'a balancer';

/** A short life of clients, thieves and an administrator on a system in memory. */
async function live(bug: Bug | null, seed: number, front: Front): Promise<Violation[]> {
  const leeway = 20;
  const system = new StubSystem(bug, leeway);
  const history = new History();
  const doors = system.doors(3);
  const scene: Scene = {
    doors: front === 'a balancer' ? [new StubBalancer(doors)] : doors,
    history,
    random: new Random(seed),
    leeway,
    pause: 8,
    lag: 0,
  };
  await play(scene, { clients: 6, thieves: 2, revocations: 8 }, () => sleep(300));
  return check(history, system.rows(), { leeway, accessEndsWithin: 5, clocksAreRight: true });
}

describe.each<[Front]>([['its nodes'], ['a balancer']])('The checker, on a whole system, by %s', (front) => {
  it.each([1, 2, 3])('finds nothing wrong with one that is right (seed %d)', async (seed) => {
    expect(report(await live(null, seed, front))).toBe('');
  });

  const bugs: Record<Bug, Violation['rule']> = {
    'no lock: two successors': 'one successor',
    'select, then update': 'one successor',
    'revocation without a lock': 'linearizable',
    'a repeat within the leeway gets a sibling': 'one successor',
    'the cookie is cleared on 503': 'the cookie stays',
    'refreshes read from a stale replica': 'dead stays dead',
    'a revocation is lost on one node': 'access ends',
    'a revoked family is refreshed': 'dead stays dead',
    'a revocation ends every token of the same second': 'no false logout',
    'reuse is forgiven': 'theft is caught',
    'reuse ends nothing': 'linearizable',
    'a retry is taken for reuse': 'no false logout',
  };
  it.each(Object.entries(bugs))('reports "%s" by the rule "%s"', async (bug, rule) => {
    const found: Violation[] = [];
    for (let seed = 1; seed <= 10 && !found.some((one) => one.rule === rule); seed++) {
      found.push(...(await live(bug as Bug, seed, front)));
    }
    expect(found.map((violation) => violation.rule)).toContain(rule);
  });
});
