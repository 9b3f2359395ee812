import { describe, expect, it } from 'vitest';
import { until } from './until.ts';

describe('until', () => {
  it('repeats an assertion that throws or answers false, and answers what it finally answered', async () => {
    const answers: (() => string | false)[] = [
      () => {
        throw new Error('not yet');
      },
      () => false,
      () => 'there',
    ];
    expect(await until(() => answers.shift()?.() ?? 'too late', { intervalMs: 0 })).toBe('there');
  });

  it('rejects with the last failure once the deadline has passed', async () => {
    const never = () => {
      throw new Error('still missing');
    };
    await expect(until(never, { deadlineMs: 0 })).rejects.toThrow('not true within 0 ms: still missing');
  });
});
