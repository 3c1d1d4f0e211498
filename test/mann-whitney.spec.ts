import { array, assert, integer, property } from 'fast-check';
import { mannWhitney } from '../bench/timing/mann-whitney.js';

const sample = array(integer({ min: 0, max: 50 }), { minLength: 2, maxLength: 40 });

describe('the rank test', () => {
  test.each<[left: number[], right: number[], auc: number, z: number]>([
    [[1, 2, 3], [4, 5, 6], 0, -1.964],
    [[4, 5, 6], [1, 2, 3], 1, 1.964],
    [[1, 4], [2, 3], 0.5, 0],
    [[7, 7, 7], [7, 7], 0.5, 0],
    // Four ties of two: by hand, 11 pairs above and 4 even of 25.
    [[1, 2, 3, 4, 9], [1, 2, 3, 4, 5], 0.52, 0.106],
  ])('of %p and %p', (left, right, auc, z) => {
    const found = mannWhitney(left, right);
    expect(found.auc).toBeCloseTo(auc, 10);
    expect(found.z).toBeCloseTo(z, 3);
  });

  test('counts as one would by comparing every pair', () => {
    assert(
      property(sample, sample, (left, right) => {
        const won = left.flatMap((one) =>
          right.map((other): number => (one > other ? 1 : one === other ? 0.5 : 0)),
        );
        const share = won.reduce((sum, each) => sum + each, 0) / won.length;
        expect(mannWhitney(left, right).auc).toBeCloseTo(share, 10);
      }),
    );
  });

  test('says the opposite of the opposite, and minds ranks alone', () => {
    assert(
      property(sample, sample, (left, right) => {
        const { auc, z } = mannWhitney(left, right);
        const turned = mannWhitney(right, left);
        expect([turned.auc, turned.z]).toEqual([expect.closeTo(1 - auc, 10), expect.closeTo(-z, 10)]);
        const stretched = (values: number[]) => values.map((value) => value ** 3 + 1);
        expect(mannWhitney(stretched(left), stretched(right))).toEqual({ auc, z });
      }),
    );
  });

  test('finds a shift of a tenth of the spread among 5,000, and none where there is none', () => {
    // Numbers that repeat in every run: a linear congruence, three of its values added up.
    let state = 1;
    const draw = () => (state = (state * 48_271) % 0x7fffffff) / 0x7fffffff;
    const drawn = (shift: number) => Array.from({ length: 5000 }, () => draw() + draw() + draw() + shift);
    const [base, same, later] = [drawn(0), drawn(0), drawn(0.05)];
    expect(Math.abs(mannWhitney(base, same).z)).toBeLessThan(3);
    expect(mannWhitney(later, base).z).toBeGreaterThan(4);
  });
});
