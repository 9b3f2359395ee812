import { describe, expect, it } from 'vitest';
import { parseMachineCpuSeconds, parseUsage } from './processes.ts';

const stat = '812 (a (b) c) S 1 812 812 0 -1 4194560 9 0 0 0 250 50 0 0 20 0 12 0 99 1 2 3';

describe('parseUsage', () => {
  it('reads CPU time and peak memory, whatever the command is called', () => {
    expect(parseUsage(stat, 'Name:\tnode\nVmPeak:\t 4096 kB\nVmHWM:\t  2048 kB\nVmRSS:\t 1024 kB\n')).toEqual({
      cpuSeconds: 3,
      peakMiB: 2,
    });
  });

  it('knows nothing of a process that has ended', () => {
    expect(parseUsage(stat, 'Name:\tnode\nState:\tZ (zombie)\n')).toBeUndefined();
  });
});

describe('parseMachineCpuSeconds', () => {
  it('counts what worked, not what waited', () => {
    expect(parseMachineCpuSeconds('cpu  100 20 30 9999 500 5 45 7 0 0\ncpu0 1 1 1 1 1 1 1 0 0 0\n')).toBe(2);
    expect(parseMachineCpuSeconds('no such page')).toBeUndefined();
  });
});
