import { describe, expect, it } from 'vitest';
import { slotContract } from './slots.contract.ts';
import { leaseSlots, spacingUs } from './slots.ts';

slotContract('the model', async () => {
  let nowUs = 1_760_000_000_000_000;
  let nextUs = 0;
  return await Promise.resolve({
    lease(wanted: number, spacing: number) {
      const step = leaseSlots(nextUs, nowUs, wanted, spacing);
      nextUs = step.nextUs;
      return Promise.resolve(step.answer);
    },
    pass(us: number) {
      nowUs += us;
      return Promise.resolve();
    },
    remember(aheadUs: number) {
      nextUs = nowUs + aheadUs;
      return Promise.resolve();
    },
  });
});

describe('the spacing of slots', () => {
  it('aims at 95 % of the limit', () => {
    expect(spacingUs(1_000)).toBe(1_053);
    expect(spacingUs(25)).toBe(42_106);
    expect(spacingUs(0.5)).toBe(2_105_264);
  });
});
