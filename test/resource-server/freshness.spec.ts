import { Freshness } from '../../libs/auth/src/revocation/freshness.js';

const SECOND = 1000;
const TOLERANCE = 5 * SECOND;
const START = 1_800_000_000_000;

/** This node's clocks, and that of the issuer's database. */
let local: { wall: number; monotonic: number };
let database: number;
let freshness: Freshness;
beforeEach(() => {
  local = { wall: START, monotonic: 50 };
  database = START;
  freshness = new Freshness(TOLERANCE);
});

function pass(seconds: number): void {
  local.wall += seconds * SECOND;
  local.monotonic += seconds * SECOND;
  database += seconds * SECOND;
}

/** Seconds of age of an answer that says what is true, but for `stamp`. */
const ask = (stamp: { asOf?: number; age?: number } = {}): number =>
  freshness.take({ asOf: database, age: 0, ...stamp }, { ...local }, local.wall) / SECOND;

test('an answer of this moment is fresh, again and again', () => {
  for (let poll = 0; poll < 100; poll++, pass(2)) expect(ask()).toBe(0);
});

test('nothing is known before the first answer', () => {
  expect(freshness.asOf).toBeNull();
  ask();
  expect(freshness.asOf).toBe(database);
});

describe('an answer is as old', () => {
  test('as the node that answers says', () => {
    expect(ask({ age: 7 * SECOND })).toBe(7);
  });

  test('as this node’s clock says, less what the clocks may be apart', () => {
    expect(ask({ asOf: database - 40 * SECOND })).toBe(35);
    expect(ask({ asOf: database - 30 * SECOND, age: 26 * SECOND })).toBe(26);
  });

  test('as the newest one before it, unless it is newer itself', () => {
    ask({ age: 1 * SECOND });
    const first = database;
    pass(4);
    expect(ask({ asOf: first })).toBe(5);
    expect(ask({ asOf: first - 1 })).toBe(5);
    expect(ask({ asOf: first + 1 })).toBe(0);
  });
});

test('an old answer that is told again is never fresh, whatever it says of its age', () => {
  ask();
  const old = database;
  for (let seconds = 2; seconds < 200; seconds += 2) {
    pass(2);
    expect(ask({ asOf: old })).toBe(seconds);
  }
  expect(ask()).toBe(0);
});

test('answers that are each held back a little longer than the one before are found out', () => {
  const ages: number[] = [];
  for (let poll = 0; poll < 60; poll++, pass(2)) ages.push(ask({ asOf: START + poll }));
  expect(ages.at(-1)).toBeGreaterThan(100);
  expect(ages.every((age, poll) => age >= 2 * poll - TOLERANCE / SECOND - 1)).toBe(true);
});

test.each(['wall', 'monotonic'] as const)('time that passed on the %s clock alone counts', (one) => {
  ask();
  local[one] += 20 * SECOND;
  expect(ask()).toBe(20);
});

describe('when the clock of the database goes back, as in a failover', () => {
  test('by no more than the clocks may be apart, answers are fresh again within twice as long', () => {
    database += TOLERANCE;
    ask();
    database -= 2 * TOLERANCE;
    const ages: number[] = [];
    for (let seconds = 0; seconds < 14; seconds++) {
      pass(1);
      ages.push(ask());
    }
    expect(Math.max(...ages)).toBeLessThanOrEqual((2 * TOLERANCE) / SECOND);
    expect(ages.slice(-3)).toEqual([0, 0, 0]);
  });

  test('by ten minutes, nothing is fresh until it is right again, and then all is at once', () => {
    ask();
    database -= 600 * SECOND;
    for (let seconds = 2; seconds < 300; seconds += 2) {
      pass(2);
      expect(ask()).toBe(seconds);
    }
    database += 600 * SECOND;
    expect(ask()).toBe(0);
  });

  test('from where it was wrong to where it is right, answers are fresh at once', () => {
    database += 600 * SECOND;
    ask();
    pass(2);
    database -= 600 * SECOND;
    expect(ask()).toBe(0);
  });
});

describe('an answer from the future', () => {
  test('is not fresh, and makes none that follows look old', () => {
    expect(ask({ asOf: database + TOLERANCE + 1 })).toBe(Infinity);
    expect(freshness.asOf).toBeNull();
    expect(ask()).toBe(0);
    pass(2);
    expect(ask({ asOf: database + 365 * 86_400 * SECOND })).toBe(2);
    expect(ask()).toBe(0);
  });

  test('by no more than the clocks may be apart is taken for one of this moment', () => {
    expect(ask({ asOf: database + TOLERANCE })).toBe(0);
  });

  test('takes the time the answer needed into account', () => {
    const asked = { ...local };
    pass(8);
    expect(freshness.take({ asOf: database, age: 0 }, asked, local.wall)).toBe(0);
  });
});

test('clocks that were both a day ahead, and are set right together, lock nothing up', () => {
  local.wall += 86_400 * SECOND;
  database += 86_400 * SECOND;
  expect(ask()).toBe(0);
  local.wall -= 86_400 * SECOND;
  database -= 86_400 * SECOND;
  pass(2);
  expect(ask()).toBe(0);
  pass(2);
  expect(ask()).toBe(0);
});
