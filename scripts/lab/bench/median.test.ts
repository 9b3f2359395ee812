import { expect, it } from 'vitest';
import { median } from './median.ts';

it('takes the middle value, or the mean of the two in the middle', () => {
  expect(median([9, 1, 5])).toBe(5);
  expect(median([10, 1, 2, 100])).toBe(6);
  expect(median([7])).toBe(7);
});
