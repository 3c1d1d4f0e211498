import { Polling } from '../libs/auth/src/revocation/polling.js';

const MINUTE = 60_000;
const clock = { now: () => Date.now(), monotonic: () => performance.now() };
const reads: number[] = [];
let reading: () => Promise<void>;
let polling: Polling;

function start(interval = 2000, limit = 30_000): Polling {
  const read = async () => {
    reads.push(performance.now());
    await reading();
  };
  polling = new Polling(read, { interval, limit }, clock);
  polling.start();
  return polling;
}

beforeEach(() => {
  jest.useFakeTimers();
  reads.length = 0;
  reading = async () => {};
});
afterEach(() => {
  polling.stop();
  jest.useRealTimers();
});

function pauses(): number[] {
  return reads.slice(1).map((at, index) => at - reads[index]!);
}

test('polls come at the interval, give or take a tenth, and not in step', async () => {
  start();
  await jest.advanceTimersByTimeAsync(10 * MINUTE);
  expect(reads.length).toBeGreaterThan(280);
  expect(Math.min(...pauses())).toBeGreaterThanOrEqual(1800);
  expect(Math.max(...pauses())).toBeLessThanOrEqual(2201);
  expect(new Set(pauses().map((pause) => Math.round(pause / 20))).size).toBeGreaterThan(10);
});

test('no poll comes so late that what is known is believed no more', async () => {
  start(29_000, 30_000);
  await jest.advanceTimersByTimeAsync(100 * MINUTE);
  expect(Math.max(...pauses())).toBeLessThanOrEqual(29_501);
});

test('a hint is followed at once', async () => {
  start().hurry();
  await jest.advanceTimersByTimeAsync(1);
  expect(reads).toHaveLength(1);
});

test('hints that come together cost one poll', async () => {
  const { hurry } = { hurry: () => polling.hurry() };
  start();
  for (let hints = 0; hints < 100; hints++) hurry();
  await jest.advanceTimersByTimeAsync(1700);
  expect(reads).toHaveLength(1);
});

test('a hint that comes during a poll is followed by another one: the first may have looked too early', async () => {
  let finish!: () => void;
  reading = () => new Promise((resolve) => (finish = resolve));
  start().hurry();
  await jest.advanceTimersByTimeAsync(1);
  polling.hurry();
  await jest.advanceTimersByTimeAsync(50);
  expect(reads).toHaveLength(1);
  finish();
  await jest.advanceTimersByTimeAsync(100);
  expect(reads).toHaveLength(2);
});

test('under a storm of hints the database rests for as long as it works', async () => {
  reading = () => new Promise((resolve) => setTimeout(resolve, 500));
  start();
  for (let passed = 0; passed < MINUTE; passed += 10) {
    polling.hurry();
    await jest.advanceTimersByTimeAsync(10);
  }
  expect(reads.length).toBeGreaterThan(50);
  expect(Math.min(...pauses())).toBeGreaterThanOrEqual(999);
});

test('a storm of hints does not put off the poll that was due', async () => {
  reading = () => new Promise((resolve) => setTimeout(resolve, 10_000));
  start();
  for (let passed = 0; passed < MINUTE; passed += 10) {
    polling.hurry();
    await jest.advanceTimersByTimeAsync(10);
  }
  expect(Math.max(...pauses())).toBeLessThanOrEqual(12_201);
});

test('nothing is read after the end, not even for a poll that was under way', async () => {
  let finish!: () => void;
  reading = () => new Promise((resolve) => (finish = resolve));
  start().hurry();
  await jest.advanceTimersByTimeAsync(1);
  polling.hurry();
  polling.stop();
  finish();
  await jest.advanceTimersByTimeAsync(MINUTE);
  expect(reads).toHaveLength(1);
});
