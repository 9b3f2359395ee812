import { expect, it } from 'vitest';
import { delayMs } from './delay.ts';

const policy = { baseMs: 100, maxMs: 1_500 };
const almostOne = 1 - Number.EPSILON;

it('doubles its ceiling with every attempt up to the maximum', () => {
  expect([1, 2, 3, 4, 5, 6, 1_000_000].map((attempt) => delayMs(policy, attempt, almostOne))).toEqual([
    100, 200, 400, 800, 1_500, 1_500, 1_500,
  ]);
});

it('spreads over everything below the ceiling, and never waits not at all', () => {
  expect([0, 0.25, 0.5].map((random) => delayMs(policy, 2, random))).toEqual([1, 51, 101]);
});
