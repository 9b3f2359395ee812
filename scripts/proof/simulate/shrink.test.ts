import { describe, expect, it } from 'vitest';
import { runSeed } from './run.ts';
import { cutOf, drawSchedule } from './drawing/schedule.ts';
import { cutOptions, fullCut, type FullCut, shrink } from './shrink.ts';

const whole: FullCut = {
  faults: Array.from({ length: 40 }, (_, index) => index),
  requests: Array.from({ length: 25 }, (_, index) => index),
  rates: ['replyLost', 'slow'],
  activeMs: 10_000,
};
const always = { runsMax: 10_000, mayGoOn: () => true };

describe('shrinking', () => {
  it('leaves what the failure needs, and nothing else', () => {
    const needed = (cut: FullCut): boolean =>
      cut.faults.includes(3) &&
      cut.faults.includes(31) &&
      cut.requests.includes(7) &&
      cut.rates.includes('slow') &&
      cut.activeMs >= 4_000;
    const { cut } = shrink(whole, needed, always);
    expect({ ...cut, activeMs: 0 }).toEqual({ faults: [3, 31], requests: [7], rates: ['slow'], activeMs: 0 });
    expect(cut.activeMs).toBeLessThan(4_500);
  });

  it('gives back what it was given when nothing shorter fails', () => {
    expect(shrink(whole, () => false, always).cut).toEqual(whole);
  });

  it('ends when its runs are used up, or its time is', () => {
    expect(shrink(whole, () => true, { runsMax: 3, mayGoOn: () => true }).runs).toBe(3);
    expect(shrink(whole, () => true, { runsMax: 100, mayGoOn: () => false })).toEqual({ cut: whole, runs: 0 });
  });
});

describe('a cut schedule', () => {
  it('is the same run when nothing is cut', () => {
    const seed = 12;
    const [uncut, cut] = [undefined, fullCut(drawSchedule(seed))].map((given) =>
      runSeed(seed, { trace: true, ...(given === undefined ? {} : { cut: given }) }),
    );
    expect(cut?.trace).toEqual(uncut?.trace);
  });

  it('keeps the faults and requests that are left as they were', () => {
    const seed = 14;
    const { faults, requests } = drawSchedule(seed);
    expect(faults.length).toBeGreaterThan(2);
    const cut = drawSchedule(seed, { faults: [1], requests: [0, 4], rates: [] });
    expect(cut.faults.map(({ kind, atMs }) => [kind, atMs])).toEqual([[faults[1]?.kind, faults[1]?.atMs]]);
    expect(cut.requests.map(({ name }) => name)).toEqual([requests[0]?.name, requests[4]?.name]);
    expect(cut.requests[1]?.random.next()).toBe(requests[4]?.random.next());
    expect(Object.values(cut.profile.rates).every((rate) => rate === 0)).toBe(true);
  });

  it('can be given on the command line', () => {
    const cut: FullCut = { faults: [2, 9], requests: [], rates: ['replyLost'], activeMs: 800 };
    const [, activeMs, , faults, , requests, , rates] = cutOptions(cut).split(' ');
    expect(cutOf({ activeMs: Number(activeMs), faults, requests, rates })).toEqual(cut);
  });
});
