import { describe, expect, it } from 'vitest';
import { growth, steadyGrowthMax } from './trend.ts';

function samples(count: number, backlogAt: (index: number) => number): number[] {
  return Array.from({ length: count }, (_, index) => backlogAt(index));
}

describe('growth', () => {
  it('is none for saw teeth of constant height, after a way up', () => {
    const teeth = samples(240, (index) => Math.min(1, index / 60) * (1_000 + 500 * (index % 16)));
    expect(growth(teeth)).toBeCloseTo(1, 1);
    expect(growth(teeth)).toBeLessThan(steadyGrowthMax);
  });

  it('is seen in saw teeth that rise', () => {
    expect(growth(samples(240, (index) => 1_000 + 20 * index + 500 * (index % 16)))).toBeGreaterThan(steadyGrowthMax);
  });

  it('is none when there never was a backlog', () => {
    expect(growth([0, 0, 0])).toBe(1);
    expect(growth([0, 0, 5])).toBe(Infinity);
  });
});
