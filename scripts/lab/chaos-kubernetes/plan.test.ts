import { expect, it } from 'vitest';
import { describeFault, planFaults } from './plan.ts';

it('is the same for the same seed, and another for another', () => {
  expect(planFaults(7, 40)).toEqual(planFaults(7, 40));
  expect(planFaults(7, 40)).not.toEqual(planFaults(8, 40));
});

it('has every kind of fault before any comes again: three roles both ways, a cordon, up and down', () => {
  for (let seed = 0; seed < 50; seed++) {
    const first = planFaults(seed, 9).map(({ fault }) => fault);
    expect(new Set(first.map((fault) => (fault.kind === 'scale' ? 'scale' : describeFault(fault)))).size).toBe(8);
    const scales = first.flatMap((fault) => (fault.kind === 'scale' ? [fault.consumers] : []));
    expect(new Set(scales).size, 'up and down').toBe(2);
    expect(Math.min(...scales), 'somebody is there to take over').toBeGreaterThanOrEqual(2);
    expect(Math.max(...scales)).toBeLessThanOrEqual(6);
  }
});
