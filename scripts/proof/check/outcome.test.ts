import { expect, it } from 'vitest';
import { outcomeOfCheck, outcomeOfTests, sum } from './outcome.ts';

const report = (passed: number, failed: number, testResults: readonly object[] = []) =>
  JSON.stringify({ numPassedTests: passed, numFailedTests: failed, numPendingTests: 1, numTodoTests: 0, testResults });

it('counts a check as one, and keeps the end of what a failed one said', () => {
  expect(outcomeOfCheck(0, ['fine'])).toEqual({ passed: 1, failed: 0, skipped: 0, causes: [] });
  expect(outcomeOfCheck(2, ['a', 'b'])).toEqual({ passed: 0, failed: 1, skipped: 0, causes: ['a\nb'] });
});

it('counts the tests of a run', () => {
  expect(outcomeOfTests(0, report(5, 0))).toEqual({ passed: 5, failed: 0, skipped: 1, causes: [] });
  expect(outcomeOfTests(1, report(5, 2))).toMatchObject({ passed: 5, failed: 2, skipped: 1 });
});

it('names the tests that failed and the files that could not be loaded', () => {
  const failed = { fullName: 'adds up', status: 'failed', failureMessages: ['Error: 2 is not 3\n    at sum.ts'] };
  const passed = { fullName: 'is there', status: 'passed', failureMessages: [] };
  const files = [
    { name: 'sum.test.ts', status: 'failed', message: '', assertionResults: [failed, passed] },
    { name: 'broken.test.ts', status: 'failed', message: 'SyntaxError', assertionResults: [] },
  ];
  expect(outcomeOfTests(1, report(1, 1, files)).causes).toEqual([
    'sum.test.ts > adds up: Error: 2 is not 3',
    'broken.test.ts: SyntaxError',
  ]);
});

it('never takes for passed what failed without a failed test', () => {
  expect(outcomeOfTests(1, report(5, 0)).failed).toBe(1);
  expect(outcomeOfTests(0, undefined).failed).toBe(1);
  expect(outcomeOfTests(0, report(0, 0)).failed).toBe(1);
});

it('adds stages up', () => {
  expect(sum([outcomeOfCheck(0, []), outcomeOfCheck(1, ['no']), outcomeOfTests(0, report(5, 0))])).toEqual({
    passed: 6,
    failed: 1,
    skipped: 1,
    causes: ['no'],
  });
});
