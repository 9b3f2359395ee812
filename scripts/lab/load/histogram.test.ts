import { describe, expect, it } from 'vitest';
import { Histogram } from './histogram.ts';

describe('Histogram', () => {
  it('tells percentiles within a tenth', () => {
    const histogram = new Histogram();
    for (let ms = 1; ms <= 1_000; ms++) histogram.record(ms);
    expect(histogram.percentile(0.5)).toBeGreaterThanOrEqual(500);
    expect(histogram.percentile(0.5)).toBeLessThan(550);
    expect(histogram.percentile(0.99)).toBeLessThan(1_090);
  });

  it('adds up with another one', () => {
    const [left, right] = [new Histogram(), new Histogram()];
    left.record(1);
    right.record(100);
    left.add(right);
    expect(left.percentile(1)).toBeGreaterThan(99);
  });
});
