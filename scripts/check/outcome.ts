export interface Outcome {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** A stage that is one check: its exit code decides. */
export function outcomeOfCheck(exitCode: number): Outcome {
  return exitCode === 0 ? { passed: 1, failed: 0, skipped: 0 } : { passed: 0, failed: 1, skipped: 0 };
}

/**
 * A run of vitest, by its JSON report. Failed without a failed test (a file that cannot be loaded, an error outside of
 * the tests, no tests, a report that is not there) still counts: what cannot be counted has not passed.
 */
export function outcomeOfTests(exitCode: number, report: string | undefined): Outcome {
  const counted = report === undefined ? undefined : countsOf(report);
  const { passed, failed, skipped } = counted ?? { passed: 0, failed: 0, skipped: 0 };
  const isFailure = exitCode !== 0 || counted === undefined || passed + failed === 0;
  return { passed, failed: isFailure ? Math.max(failed, 1) : failed, skipped };
}

function countsOf(report: string): Outcome | undefined {
  const counts: unknown = JSON.parse(report);
  if (typeof counts !== 'object' || counts === null) return undefined;
  const number = (name: string): number => {
    const value: unknown = Reflect.get(counts, name);
    return typeof value === 'number' ? value : 0;
  };
  return {
    passed: number('numPassedTests'),
    failed: number('numFailedTests'),
    skipped: number('numPendingTests') + number('numTodoTests'),
  };
}

export function sum(outcomes: readonly Outcome[]): Outcome {
  const add = (a: Outcome, b: Outcome): Outcome => ({
    passed: a.passed + b.passed,
    failed: a.failed + b.failed,
    skipped: a.skipped + b.skipped,
  });
  return outcomes.reduce(add, { passed: 0, failed: 0, skipped: 0 });
}
