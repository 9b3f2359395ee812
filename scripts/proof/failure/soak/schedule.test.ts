import { describe, expect, it } from 'vitest';
import { drawSchedule, faultKinds } from './schedule.ts';

const tenMinutesMs = 600_000;

describe('the schedule of a soak', () => {
  it('is the same for the same seed, and another for another', () => {
    expect(drawSchedule(7, tenMinutesMs)).toEqual(drawSchedule(7, tenMinutesMs));
    expect(drawSchedule(7, tenMinutesMs)).not.toEqual(drawSchedule(8, tenMinutesMs));
  });

  it('has a fault every few seconds, all kinds of them, and calm at both ends', () => {
    const planned = drawSchedule(1, tenMinutesMs);
    const gaps = planned.slice(1).map(({ atMs }, index) => atMs - (planned[index]?.atMs ?? 0));
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(2_000);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(5_000);
    expect(new Set(planned.map(({ kind }) => kind))).toEqual(new Set(faultKinds));
    expect(planned[0]?.atMs).toBe(5_000);
    expect(planned.at(-1)?.atMs).toBeLessThan(tenMinutesMs - 5_000);
  });

  it('lets no kind come again before every other has come', () => {
    const first = drawSchedule(3, tenMinutesMs).slice(0, faultKinds.length);
    expect(new Set(first.map(({ kind }) => kind)).size).toBe(faultKinds.length);
  });
});
