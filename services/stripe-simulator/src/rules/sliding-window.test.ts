import fc from 'fast-check';
import { expect, it } from 'vitest';
import { SlidingWindow } from './sliding-window.ts';

it('counts what lies within the last second, and nothing older', () => {
  const window = new SlidingWindow(1_000);
  window.add(0);
  window.add(999);
  expect(window.count(999)).toBe(2);
  expect(window.count(1_000)).toBe(1);
  expect(window.count(1_999)).toBe(0);
});

it('agrees with counting by hand, however many there are', () => {
  const steps = fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 500 });
  fc.assert(
    fc.property(steps, (pauses) => {
      const window = new SlidingWindow(1_000);
      const moments: number[] = [];
      let nowMs = 1_795_000_000_000;
      for (const pause of pauses) {
        nowMs += pause;
        moments.push(nowMs);
        expect(window.add(nowMs)).toBe(moments.filter((moment) => moment > nowMs - 1_000).length);
      }
    }),
  );
});

it('forgets nothing when the clock steps back', () => {
  const window = new SlidingWindow(1_000);
  window.add(5_000);
  window.add(4_000);
  expect(window.count(5_999)).toBe(2);
  expect(window.count(6_000)).toBe(0);
});
