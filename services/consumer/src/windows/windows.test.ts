import { describe, expect, it } from 'vitest';
import { createLog } from '../../../../shared/log/log.ts';
import { Troubles } from '../../../../shared/log/troubles.ts';
import { Demand } from './demand.ts';
import { KeySketch } from './key-sketch.ts';
import { ladderOf, WindowPolicy } from './window-policy.ts';
import { Windows } from './windows.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const limits = { windowMs: 5 * minuteMs, windowMaxMs: hourMs };

describe('a sketch of keys', () => {
  it.each([0, 10, 1_000, 30_000, 300_000])('tells how many there were of %i, to a few percent', (keys) => {
    const sketch = new KeySketch();
    for (let key = 0; key < keys; key++)
      for (let time = 0; time < 2; time++) sketch.add(`\0cus_${key}\0tokens\0${minuteMs}`);
    expect(Math.abs(sketch.estimate() - keys)).toBeLessThanOrEqual(keys * 0.08);
    sketch.clear();
    expect(sketch.estimate()).toBe(0);
  });
});

describe('the demand of a shard', () => {
  function fill(demand: Demand, keys: number, nowMs: number): void {
    for (let key = 0; key < keys; key++) demand.key(`key ${key} ${nowMs - (nowMs % minuteMs)}`, nowMs);
  }

  it('is a call per key and window, however often the key is seen', () => {
    const demand = new Demand(minuteMs);
    for (const atMs of [0, 10_000, 20_000]) fill(demand, 600, atMs);
    expect(demand.perS(30_000)).toBeCloseTo(10, 0);
    expect(demand.perS(70_000)).toBeCloseTo(10, 0);
    fill(demand, 1_200, 80_000);
    expect(demand.perS(80_000)).toBeCloseTo(20, 0);
  });

  it('is a call per event of a count meter', () => {
    const demand = new Demand(minuteMs);
    for (let event = 0; event < 600; event++) demand.single(event);
    expect(demand.perS(1_000)).toBe(10);
  });

  it('is nothing after two windows without usage, and after a new beginning', () => {
    const demand = new Demand(minuteMs);
    fill(demand, 600, 0);
    expect(demand.perS(2 * minuteMs)).toBe(0);
    fill(demand, 600, 130_000);
    demand.restart(2 * minuteMs, 140_000);
    expect(demand.perS(140_000)).toBe(0);
  });
});

describe('the lengths that windows may have', () => {
  it.each([
    [5 * minuteMs, hourMs, [5, 10, 20, 60]],
    [minuteMs, hourMs, [1, 2, 4, 12, 60]],
    [minuteMs, minuteMs, [1]],
    [2 * minuteMs, 3 * minuteMs, [2]],
    [minuteMs, 24 * hourMs, [1, 2, 4, 8, 16, 32, 96, 288, 1440]],
  ])(
    'of %i up to %i ms each hold whole ones of the one before, and fill the longest',
    (windowMs, windowMaxMs, minutes) => {
      const ladder = ladderOf({ windowMs, windowMaxMs });
      expect(ladder.map((ms) => ms / minuteMs)).toEqual(minutes);
      for (const [step, ms] of ladder.entries()) {
        expect(ms % (ladder[step - 1] ?? ms)).toBe(0);
        expect(ms === windowMs || windowMaxMs % ms === 0).toBe(true);
      }
    },
  );
});

describe('the choice of windows', () => {
  /** Looks every second for so long. */
  function look(policy: WindowPolicy, ratio: number, fromMs: number, forMs: number): number[] {
    const changes: number[] = [];
    for (let nowMs = fromMs; nowMs < fromMs + forMs; nowMs += 1_000) {
      const changed = policy.look({ demandPerS: ratio * 100, budgetPerS: 100 }, nowMs);
      if (changed !== undefined) changes.push(changed / minuteMs);
    }
    return changes;
  }

  it('is coarser above 80 % of the budget, step by step, and never beyond the maximum', () => {
    const policy = new WindowPolicy(limits);
    expect(look(policy, 0.8, 0, hourMs)).toEqual([]);
    expect(look(policy, 0.81, hourMs, 31_000)).toEqual([10]);
    expect(look(policy, 5, 2 * hourMs, hourMs)).toEqual([20, 60]);
    expect(policy.isCoarsest).toBe(true);
  });

  it('does not follow a budget that is small for some seconds', () => {
    const policy = new WindowPolicy(limits);
    expect(look(policy, 2, 0, 25_000)).toEqual([]);
    expect(look(policy, 0.5, 25_000, 1_000)).toEqual([]);
    expect(look(policy, 2, 26_000, 25_000)).toEqual([]);
  });

  it('is finer again once the finer windows would take less than 60 %, after a whole window', () => {
    const policy = new WindowPolicy(limits);
    look(policy, 0.9, 0, 31_000);
    expect(look(policy, 0.31, 31_000, hourMs)).toEqual([]);
    expect(look(policy, 0.29, 31_000 + hourMs, 1_000)).toEqual([5]);
    look(policy, 0.9, 2 * hourMs, 31_000);
    expect(look(policy, 0, 2 * hourMs + 31_000, 9 * minuteMs)).toEqual([]);
    expect(look(policy, 0, 2 * hourMs + 31_000 + 9 * minuteMs, 2 * minuteMs)).toEqual([5]);
  });

  it('never goes to and fro while the keys stay the same', () => {
    const policy = new WindowPolicy(limits);
    let demandPerS = 250;
    const changes: number[] = [];
    for (let nowMs = 0; nowMs < 10 * hourMs; nowMs += 1_000) {
      const windowMs = policy.look({ demandPerS, budgetPerS: 100 }, nowMs);
      if (windowMs === undefined) continue;
      changes.push(windowMs / minuteMs);
      demandPerS = (250 * limits.windowMs) / windowMs;
    }
    expect(changes).toEqual([10, 20]);
  });
});

describe('the windows of a consumer', () => {
  it('follow from its part of the shards, and a person is told what that means for billing periods', () => {
    const lines: string[] = [];
    const log = createLog({ service: 'test', level: 'info' }, { write: (line) => lines.push(line) });
    const windows = new Windows(limits, log, new Troubles(log));
    for (let nowMs = 0; nowMs <= 31_000; nowMs += 1_000)
      windows.look({ demandPerS: 30, owned: 4, shards: 16, budgetPerS: 100 }, nowMs);
    expect(windows.windowMs).toBe(10 * minuteMs);
    expect(windows.capacityRatio).toBeCloseTo(1.2);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/"windowMs":600000.*billing period may be billed in the next one/);
    // Who owns nothing has nothing to say about the cluster.
    windows.look({ demandPerS: 0, owned: 0, shards: 16, budgetPerS: 100 }, 32_000);
    expect(windows.capacityRatio).toBe(0);
  });

  // It was said every ten minutes and never taken back.
  it('warn a person when even the longest do not do, and say when that is over', () => {
    const lines: string[] = [];
    const log = createLog({ service: 'test', level: 'info' }, { write: (line) => lines.push(line) });
    const troubles = new Troubles(log);
    const windows = new Windows({ windowMs: hourMs, windowMaxMs: hourMs }, log, troubles);
    const look = (demandPerS: number, nowMs: number, owned = 16) =>
      windows.look({ demandPerS, owned, shards: 16, budgetPerS: 100 }, nowMs);
    for (const nowMs of [0, 1_000]) look(101, nowMs);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/the backlog grows/);
    expect(troubles.remarks).toEqual([expect.stringMatching(/the backlog grows/)]);
    for (const nowMs of [2_000, 3_000]) look(99, nowMs);
    expect(lines).toHaveLength(2);
    expect(lines[1]).toMatch(/for all keys again/);
    expect(troubles.remarks).toEqual([]);
    // Who owns nothing any more cannot say that it is over.
    look(101, 4_000);
    look(0, 5_000, 0);
    expect(lines).toHaveLength(2);
    expect(troubles.remarks).toEqual([]);
  });
});
