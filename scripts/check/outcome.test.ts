import { expect, it } from 'vitest';
import { outcomeOfCheck, outcomeOfTests, sum } from './outcome.ts';

const report = (passed: number, failed: number) =>
  JSON.stringify({ numPassedTests: passed, numFailedTests: failed, numPendingTests: 1, numTodoTests: 0 });

it('counts a check as one', () => {
  expect(outcomeOfCheck(0)).toEqual({ passed: 1, failed: 0, skipped: 0 });
  expect(outcomeOfCheck(2)).toEqual({ passed: 0, failed: 1, skipped: 0 });
});

it('counts the tests of a run', () => {
  expect(outcomeOfTests(0, report(5, 0))).toEqual({ passed: 5, failed: 0, skipped: 1 });
  expect(outcomeOfTests(1, report(5, 2))).toEqual({ passed: 5, failed: 2, skipped: 1 });
});

it('never takes for passed what failed without a failed test', () => {
  expect(outcomeOfTests(1, report(5, 0)).failed).toBe(1);
  expect(outcomeOfTests(0, undefined).failed).toBe(1);
  expect(outcomeOfTests(0, report(0, 0)).failed).toBe(1);
});

it('adds stages up', () => {
  expect(sum([outcomeOfCheck(0), outcomeOfCheck(1), outcomeOfTests(0, report(5, 0))])).toEqual({
    passed: 6,
    failed: 1,
    skipped: 1,
  });
});
