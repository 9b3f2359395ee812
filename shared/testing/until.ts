import { setTimeout as sleep } from 'node:timers/promises';

export interface UntilOptions {
  readonly deadlineMs?: number;
  readonly intervalMs?: number;
}

/**
 * Repeats `assertion` until it neither throws nor answers `false`, and resolves with what it answered. After the deadline
 * it rejects with the last failure as `cause`. For tests and start-up: nobody sleeps and hopes.
 */
export async function until<T>(
  assertion: () => T | Promise<T>,
  options: UntilOptions = {},
): Promise<Exclude<Awaited<T>, false>> {
  const { deadlineMs = 30_000, intervalMs = 25 } = options;
  const startedAt = performance.now();
  for (;;) {
    let failure: unknown = new Error('the assertion answered false');
    try {
      const answer = await assertion();
      if (answer !== false) return answer as Exclude<Awaited<T>, false>;
    } catch (error) {
      failure = error;
    }
    if (performance.now() - startedAt >= deadlineMs) {
      const reason = failure instanceof Error ? failure.message : String(failure);
      throw new Error(`not true within ${deadlineMs} ms: ${reason}`, { cause: failure });
    }
    await sleep(intervalMs);
  }
}
