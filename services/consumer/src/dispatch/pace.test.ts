import { describe, expect, it } from 'vitest';
import { Pace } from './pace.ts';

/** Seconds of a hundred calls each, of which so many are throttled; then the call that lets the last second be judged. */
function paceAfter(...throttledPerSecond: number[]): number {
  const pace = new Pace();
  for (const [second, throttled] of throttledPerSecond.entries()) {
    for (let call = 0; call < 100; call++) pace.callEnded(call < throttled, second * 1_000 + call);
  }
  pace.callEnded(false, throttledPerSecond.length * 1_000);
  return pace.current;
}

describe('the pace', () => {
  it('is the whole rate while nothing is throttled', () => {
    expect(paceAfter(0, 0, 0)).toBe(1);
  });

  it('falls by the share that is throttled, by 2 % at least and a half at most', () => {
    expect(paceAfter(30)).toBeCloseTo(0.7);
    expect(paceAfter(1)).toBeCloseTo(0.98);
    expect(paceAfter(100)).toBeCloseTo(0.5);
  });

  it('recovers by 1 % per second', () => {
    expect(paceAfter(30, 0, 0)).toBeCloseTo(0.72);
    expect(paceAfter(1, 0, 0, 0)).toBe(1);
  });

  it('never comes to a standstill, from which it could not recover', () => {
    expect(paceAfter(...Array<number>(50).fill(100))).toBeCloseTo(0.02);
  });
});
