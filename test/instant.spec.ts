import { elapsedSince, instantOf } from '../libs/auth/src/core/instant.js';

const at = (monotonic: number, wall: number) => ({ monotonic: () => monotonic, now: () => wall });

describe('the time since an instant', () => {
  const instant = instantOf(at(100, 5000));

  test.each([
    ['both clocks say the same', at(110, 5010), 10],
    ['the machine slept: the wall clock says more', at(110, 9000), 4000],
    ['the wall clock was set back: the monotonic one says more', at(400, 1000), 300],
  ])('%s', (_, clock, elapsed) => {
    expect(elapsedSince(instant, clock)).toBe(elapsed);
  });

  test('takes the word of who has just read the wall clock', () => {
    expect(elapsedSince(instant, at(110, 9000), 5020)).toBe(20);
  });

  test('since one that never was has no end', () => {
    expect(elapsedSince(null, at(110, 5010))).toBe(Infinity);
  });
});
