import { describe, expect, it } from 'vitest';
import { reportThroughput } from './report.ts';
import type { ThroughputPlan, ThroughputRun } from './throughput.ts';

const plan: ThroughputPlan = {
  events: 1_000_000,
  batch: 100,
  customers: 10,
  connections: 4,
  publishers: 1,
  consumers: 1,
  profile: undefined,
};

function run(change: Partial<ThroughputRun> = {}): ThroughputRun {
  return {
    events: 1_000_000,
    sent: 1_110_000,
    repeated: 10_000,
    intakeMs: 8_000,
    ledgerMs: 10_000,
    p50Ms: 20,
    p99Ms: 50,
    processes: [
      { name: 'redis', cpuSeconds: 1, peakMiB: 30 },
      { name: 'load', cpuSeconds: 2, peakMiB: 100 },
    ],
    othersShare: 0.25,
    verdict: { compared: 10, differences: [], perMeter: [] },
    calls: 20,
    messages: 11_100,
    ...change,
  };
}

function row(report: string, title: string): string {
  return report.split('\n').find((line) => line.startsWith(title)) ?? '';
}

describe('reportThroughput', () => {
  it('gives rates per second, costs per event, and medians of runs', () => {
    const report = reportThroughput(plan, [run(), run({ intakeMs: 4_000 }), run({ intakeMs: 16_000 })]);
    expect(row(report, 'intake')).toMatch(/125,000 +250,000 +62,500 +125,000$/);
    expect(row(report, 'ledger')).toMatch(/100,000 +100,000 +100,000 +100,000$/);
    expect(row(report, 'events per broker message')).toMatch(/100\.0$/);
    expect(row(report, 'CPU µs per event')).toMatch(/ 3\.0$/);
    expect(row(report, 'µs/ev   load')).toMatch(/ 2\.0$/);
    expect(row(report, 'CPU taken by others')).toMatch(/ 25\.0$/);
  });

  it('says whether the target is met at the ledger, not at the intake', () => {
    expect(reportThroughput(plan, [run()])).toMatch(/100,000 on \d+: met$/);
    expect(reportThroughput(plan, [run({ ledgerMs: 10_001 })])).toMatch(/: missed$/);
  });

  it('tells lost from duplicated', () => {
    const difference = { customer: 'cus_1', meter: 'api_calls', owed: '2', billed: '1' };
    const differences = [
      { ...difference, kind: 'short' as const },
      { ...difference, kind: 'over' as const },
      { ...difference, kind: 'short' as const },
    ];
    const report = reportThroughput(plan, [run({ verdict: { compared: 10, differences, perMeter: [] } })]);
    expect(report).toContain('audit of run 1: 2 lost, 1 duplicated, of 10 totals');
  });

  it('says so when a figure is unknown here', () => {
    expect(row(reportThroughput(plan, [run({ othersShare: undefined })]), 'CPU taken')).toMatch(/unknown +unknown$/);
  });
});
