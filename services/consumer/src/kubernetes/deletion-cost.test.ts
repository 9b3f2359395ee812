import fc from 'fast-check';
import { expect, it } from 'vitest';
import { deletionCost } from './deletion-cost.ts';

const messages = fc.integer({ min: 0, max: 2 ** 30 });

it('is lower for the pod that holds clearly less, and the same for nearly the same', () => {
  expect([0, 1, 1_050, 1_200, 40_000].map(deletionCost)).toEqual([0, 1, 1_010, 1_010, 35_873]);
  fc.assert(
    fc.property(messages, messages, (left, right) => {
      const [less, more] = [Math.min(left, right), Math.max(left, right)];
      expect(deletionCost(less)).toBeLessThanOrEqual(deletionCost(more));
      if (more > 2 * less && more > 4) expect(deletionCost(more)).toBeGreaterThan(deletionCost(less));
    }),
  );
});

it('is an int32, as Kubernetes demands', () => {
  fc.assert(
    fc.property(fc.nat(Number.MAX_SAFE_INTEGER), (held) => {
      const cost = deletionCost(held);
      expect(Number.isInteger(cost) && cost >= 0 && cost < 2 ** 31).toBe(true);
    }),
  );
});
