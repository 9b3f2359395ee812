import { describe, expect, it } from 'vitest';
import { paceContract } from './pace.contract.ts';
import {
  unusedRate,
  fullSpacingUs,
  giveBack,
  leaseAtPace,
  paceAt,
  patient,
  precise,
  type RateState,
  throttle,
} from './pace.ts';

const startUs = 1_760_000_000_000_000;
const second = 1_000_000;

paceContract('the model', async () => {
  let state = unusedRate;
  const nowUs = startUs;
  return await Promise.resolve({
    nowUs: () => Promise.resolve(nowUs),
    lease(wanted: number, full: number) {
      const step = leaseAtPace(state, nowUs, wanted, full);
      ({ state } = step);
      return Promise.resolve({ ...step, changedUs: state.changedUs });
    },
    throttle(report) {
      state = throttle(state, nowUs, report);
      return Promise.resolve(paceAt(state, nowUs));
    },
    giveBack(count: number, endUs: number, spacingUs: number) {
      state = giveBack(state, nowUs, count, endUs, spacingUs);
      return Promise.resolve();
    },
    recall: () => Promise.resolve(state),
    remember(said: Partial<RateState>) {
      state = { ...state, ...said };
      return Promise.resolve();
    },
  });
});

describe('a cluster whose limit drops from 1,000 to 100 calls per second', () => {
  /** A provider that lets so many calls of a sliding second through; the cluster takes every slot there is. */
  function run(seconds: number, limitAt: (second: number) => number): { started: number; throttled: number }[] {
    let state = unusedRate;
    const accepted: number[] = [];
    const perSecond: { started: number; throttled: number }[] = [];
    let nextUs = 0;
    for (let us = 0; us < seconds * second; us += 5_000) {
      const nowUs = startUs + us;
      const counts = (perSecond[Math.floor(us / second)] ??= { started: 0, throttled: 0 });
      const { answer, state: leased, spacingUs } = leaseAtPace(state, nowUs, 25, fullSpacingUs(1_000, precise));
      state = leased;
      if (!('count' in answer)) continue;
      for (let slot = 0; slot < answer.count; slot++) {
        const startedUs = answer.firstUs + slot * spacingUs;
        nextUs = Math.max(nextUs, startedUs);
        while (accepted.length > 0 && accepted[0]! <= startedUs - second) accepted.shift();
        counts.started++;
        if (accepted.length < limitAt(us / second)) accepted.push(startedUs);
        else {
          counts.throttled++;
          state = throttle(state, nowUs, { count: 1, startedUs, reason: 'global-rate' });
        }
      }
    }
    return perSecond;
  }

  it('is below it within five seconds, and back within a minute after it is lifted', () => {
    const drop = 5;
    const lift = 25;
    const perSecond = run(lift + 65, (at) => (at >= drop && at < lift ? 100 : 1_000));
    expect(perSecond.slice(0, drop).every(({ throttled }) => throttled === 0)).toBe(true);
    expect(perSecond[drop + 3]!.started).toBeLessThanOrEqual(100);
    const limited = perSecond.slice(drop + 5, lift);
    expect(Math.max(...limited.map(({ started }) => started))).toBeLessThan(130);
    const mean = limited.reduce((sum, { started, throttled }) => sum + started - throttled, 0) / limited.length;
    expect(mean).toBeGreaterThan(55);
    expect(perSecond[lift + 59]!.started).toBeGreaterThan(940);
  });

  it('loses little to a limit that is a little lower than was said', () => {
    const perSecond = run(60, () => 950);
    const settled = perSecond.slice(10);
    const started = settled.reduce((sum, counts) => sum + counts.started, 0);
    const throttled = settled.reduce((sum, counts) => sum + counts.throttled, 0);
    expect((started - throttled) / settled.length).toBeGreaterThan(800);
    expect(throttled / started).toBeLessThan(0.02);
  });
});

describe('the precision of slots', () => {
  it.each([precise, patient])('leaves no second more calls than the limit: %o', ({ aim, latenessMaxMs }) => {
    expect(aim * (1 + latenessMaxMs / 1_000)).toBeLessThan(1);
  });
});
