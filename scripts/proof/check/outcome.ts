import { z } from 'zod';

export interface Outcome {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** What failed and why, a line or a few each: repeated at the end, where a long log is read first. */
  readonly causes: readonly string[];
}

/** As vitest's JSON reporter writes it. */
const reportSchema = z.object({
  numPassedTests: z.number(),
  numFailedTests: z.number(),
  numPendingTests: z.number(),
  numTodoTests: z.number(),
  testResults: z.array(
    z.object({
      name: z.string(),
      status: z.string(),
      message: z.string(),
      assertionResults: z.array(
        z.object({ fullName: z.string(), status: z.string(), failureMessages: z.array(z.string()).nullish() }),
      ),
    }),
  ),
});

type Report = z.infer<typeof reportSchema>;

/** A stage that is one check: its exit code decides. `lastLines` is the end of what it printed. */
export function outcomeOfCheck(exitCode: number, lastLines: readonly string[]): Outcome {
  if (exitCode === 0) return { passed: 1, failed: 0, skipped: 0, causes: [] };
  return { passed: 0, failed: 1, skipped: 0, causes: [lastLines.join('\n')] };
}

/**
 * A run of vitest, by its JSON report. Failed without a failed test (a file that cannot be loaded, an error outside of
 * the tests, no tests, a report that is not there) still counts: what cannot be counted has not passed.
 */
export function outcomeOfTests(exitCode: number, report: string | undefined): Outcome {
  if (report === undefined) return { passed: 0, failed: 1, skipped: 0, causes: ['There is no report of the tests.'] };
  const counts = reportSchema.parse(JSON.parse(report));
  const { numPassedTests: passed, numFailedTests: failed } = counts;
  const isFailure = exitCode !== 0 || passed + failed === 0;
  return {
    passed,
    failed: isFailure ? Math.max(failed, 1) : failed,
    skipped: counts.numPendingTests + counts.numTodoTests,
    causes: causesOf(counts),
  };
}

function causesOf({ testResults }: Report): readonly string[] {
  return testResults.flatMap(({ name, status, message, assertionResults }) => {
    const failed = assertionResults.filter((test) => test.status === 'failed');
    // A file that could not be loaded has no tests.
    if (status === 'failed' && failed.length === 0) return [`${name}: ${firstLine(message)}`];
    return failed.map(({ fullName, failureMessages }) => `${name} > ${fullName}: ${firstLine(failureMessages?.[0])}`);
  });
}

function firstLine(text = ''): string {
  return text.split('\n', 1)[0] ?? '';
}

export function sum(outcomes: readonly Outcome[]): Outcome {
  const add = (a: Outcome, b: Outcome): Outcome => ({
    passed: a.passed + b.passed,
    failed: a.failed + b.failed,
    skipped: a.skipped + b.skipped,
    causes: [...a.causes, ...b.causes],
  });
  return outcomes.reduce(add, { passed: 0, failed: 0, skipped: 0, causes: [] });
}
