import { describe, expect, it } from 'vitest';
import { offsetAfter } from './clock-offset.ts';

describe('the offset of another clock', () => {
  it('lies within the round trip of the first exchange', () => {
    const offset = offsetAfter(undefined, { sentAtMs: 100, receivedAtMs: 110, remoteMs: 5_105 });
    expect(offset).toEqual({ lowMs: 4_995, highMs: 5_005, atMs: 110 });
  });

  it('is narrowed by a quicker exchange, and not widened by a slow one', () => {
    const slow = offsetAfter(undefined, { sentAtMs: 100, receivedAtMs: 150, remoteMs: 5_140 });
    const quick = offsetAfter(slow, { sentAtMs: 150, receivedAtMs: 152, remoteMs: 5_151 });
    const again = offsetAfter(quick, { sentAtMs: 152, receivedAtMs: 202, remoteMs: 5_160 });
    expect(quick.highMs - quick.lowMs).toBe(2);
    expect(again.highMs - again.lowMs).toBeCloseTo(2.1, 6);
  });

  it('is known better from two one-sided exchanges than from either', () => {
    const lateAnswer = offsetAfter(undefined, { sentAtMs: 0, receivedAtMs: 20, remoteMs: 1_001 });
    const lateRequest = offsetAfter(lateAnswer, { sentAtMs: 20, receivedAtMs: 40, remoteMs: 1_039 });
    expect(lateRequest.highMs - lateRequest.lowMs).toBeLessThan(3);
  });

  it('grows uncertain with time, since clocks drift', () => {
    const known = offsetAfter(undefined, { sentAtMs: 0, receivedAtMs: 2, remoteMs: 1_001 });
    const later = offsetAfter(known, { sentAtMs: 10_000, receivedAtMs: 10_100, remoteMs: 11_050 });
    expect(later.highMs - later.lowMs).toBeGreaterThan(20);
    expect(later.highMs - later.lowMs).toBeLessThan(25);
  });

  it('is learnt anew when one of the clocks was set', () => {
    const known = offsetAfter(undefined, { sentAtMs: 0, receivedAtMs: 2, remoteMs: 1_001 });
    expect(offsetAfter(known, { sentAtMs: 50, receivedAtMs: 60, remoteMs: 500 })).toEqual({
      lowMs: 440,
      highMs: 450,
      atMs: 60,
    });
  });
});
