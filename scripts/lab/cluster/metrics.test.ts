import { describe, expect, it } from 'vitest';
import { parseMetrics } from './metrics.ts';

const page = `
# HELP process_cpu_seconds_total Total CPU.
# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total{service="consumer"} 12.5
tallyman_events_total{service="consumer",state="billed",shard="001"} 40
tallyman_events_total{service="consumer",state="billed",shard="002"} 2
tallyman_events_total{service="consumer",state="held",note="a \\"quoted\\" one"} 7
`;

describe('parseMetrics', () => {
  it('sums the samples of a name that carry the given labels', () => {
    const metrics = parseMetrics(page);
    expect(metrics.sum('tallyman_events_total')).toBe(49);
    expect(metrics.sum('tallyman_events_total', { state: 'billed' })).toBe(42);
    expect(metrics.sum('tallyman_events_total', { state: 'held', service: 'consumer' })).toBe(7);
    expect(metrics.cpuSeconds).toBe(12.5);
  });

  it('tells a metric that is not there from one that is zero', () => {
    expect(parseMetrics(page).sum('tallyman_ghosts_total')).toBeUndefined();
  });
});
