import * as fc from 'fast-check';
import {
  coarseTime,
  jitteredLifetime,
  parseDuration,
  refreshExpiresIn,
} from '../libs/auth/src/core/lifetime.js';

const HOUR = 3600;
const DAY = 24 * HOUR;
const NOW = Date.UTC(2026, 0, 1, 12, 34, 56, 789);

describe('a duration', () => {
  test.each<[unknown, number]>([
    [0, 0],
    [90, 90],
    [0.25, 0.25],
    ['90', 90],
    ['10s', 10],
    ['5m', 300],
    ['12h', 12 * HOUR],
    ['30d', 30 * DAY],
    ['0.5s', 0.5],
    ['1.5h', 1.5 * HOUR],
    ['0.125s', 0.125],
    ['1234567890', 1_234_567_890],
    [' 5m ', 300],
    ['0s', 0],
  ])('%p is %d seconds', (value, seconds) => {
    expect(parseDuration(value)).toBe(seconds);
  });

  test.each<[unknown]>([
    [-1],
    [NaN],
    [Infinity],
    ['-5s'],
    ['+5s'],
    [''],
    ['s'],
    ['5 m'],
    ['5M'],
    ['5ms'],
    ['5w'],
    ['1e3'],
    ['1m30s'],
    ['.5s'],
    ['0.1234s'],
    ['5.s'],
    ['0x10'],
    ['12345678901s'],
    [null],
    [undefined],
    [true],
    [[5]],
    [{ seconds: 5 }],
  ])('%p is none', (value) => {
    expect(parseDuration(value)).toBeNull();
  });
});

describe('the lifetime of an access token', () => {
  test.each([
    ['no jitter leaves it alone', 300, 0, 0.99, 300],
    ['the lowest draw leaves it alone', 300, 0.2, 0, 300],
    ['half a draw takes half of the jitter', 300, 0.2, 0.5, 270],
    ['it is whole seconds, rounded down', 10, 0.2, 0.1, 9],
    ['it is never less than a second', 1, 0.5, 0.99, 1],
  ])('%s', (_, lifetime, jitter, random, seconds) => {
    expect(jitteredLifetime(lifetime, jitter, random)).toBe(seconds);
  });

  test('is never longer than configured, and shorter by no more than the jitter', () => {
    const jitter = fc.double({ min: 0, max: 0.5, noNaN: true });
    const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(fc.integer({ min: 2, max: DAY }), jitter, random, (lifetime, share, draw) => {
        const seconds = jitteredLifetime(lifetime, share, draw);
        expect(Number.isInteger(seconds)).toBe(true);
        expect(seconds).toBeLessThanOrEqual(lifetime);
        expect(seconds).toBeGreaterThanOrEqual(Math.floor(lifetime * (1 - share)));
      }),
    );
  });
});

describe('refresh_expires_in', () => {
  /** `idle` and `absolute` in seconds from now */
  const expiresIn = (idle: number, absolute: number, idleLifetime = 7 * DAY) =>
    refreshExpiresIn(
      { idleExpiresAt: NOW + idle * 1000, expiresAt: NOW + absolute * 1000 },
      NOW,
      idleLifetime,
    );

  test.each([
    ['the idle end is rounded down to the hour', expiresIn(7 * DAY - 1, 30 * DAY), 7 * DAY - HOUR],
    ['a whole hour stays', expiresIn(5 * HOUR, 30 * DAY), 5 * HOUR],
    ['the absolute end is exact', expiresIn(5 * DAY, 5 * DAY - 17), 5 * DAY - 17],
    ['an absolute end at the idle end is exact', expiresIn(5 * DAY + 17, 5 * DAY + 17), 5 * DAY + 17],
    ['an idle lifetime under a day is exact', expiresIn(HOUR + 17, DAY, DAY - 1), HOUR + 17],
    ['an idle lifetime of a day is rounded', expiresIn(HOUR + 17, 2 * DAY, DAY), HOUR],
    ['less than an hour is exact: 0 would mean an end', expiresIn(HOUR - 1, 30 * DAY), HOUR - 1],
    ['fractions of a second are dropped', expiresIn(10.9, 20.9), 10],
    ['an absolute end in the past is 0', expiresIn(5, -5), 0],
    ['an idle end in the past is 0', expiresIn(-5, 5), 0],
  ])('%s', (_, actual, expected) => {
    expect(actual).toBe(expected);
  });
});

describe('a time shown to others', () => {
  test('is rounded down to the hour', () => {
    expect(coarseTime(NOW, 7 * DAY)).toBe(Date.UTC(2026, 0, 1, 12));
    expect(coarseTime(NOW, DAY)).toBe(Date.UTC(2026, 0, 1, 12));
  });

  test('is exact where the idle lifetime is under a day', () => {
    expect(coarseTime(NOW, DAY - 1)).toBe(NOW);
  });
});
