import { expect, it } from 'vitest';
import { describeTimes, percentile } from './recovery.ts';

const times = [5, 1, 4, 2, 3];

it('takes the time that this share was not above', () => {
  expect(percentile(times, 0.5)).toBe(3);
  expect(percentile(times, 0.99)).toBe(5);
  expect(percentile([7], 0.5)).toBe(7);
  expect(describeTimes(times)).toBe('p50 3 ms, max 5 ms, of 5');
});

it('says that there was nothing to measure', () => {
  expect(describeTimes([])).toBe('none');
});
